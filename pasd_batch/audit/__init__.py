"""Audits of a dataset: issues of its photos by their measures, duplicates among them, and selections of what passes."""
