"""Estimates of a photo's defects from its pixels: pure functions without weights.

Noise, blur and JPEG's blocks in `degradation.py`, with what their readings are worth in `docs/estimates.md`; exposure,
information, borders, colour cast and hashes for audits in files of their names.
"""
