"""Manifests: finding photos, reading, checking and writing, and the paths of results."""
