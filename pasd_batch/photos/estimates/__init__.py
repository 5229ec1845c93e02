"""Estimates of what is wrong with a photo, from its pixels alone: pure functions without weights.

Noise, blur and JPEG's blocks in `degradation.py`, with what their readings are worth in `docs/estimates.md`; exposure,
information, borders, colour cast and hashes for audits in files of their names.
"""
