"""Summaries and pictures of a finished run."""
