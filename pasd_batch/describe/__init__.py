"""High-level information: what is in a photo, as words for its prompt (arXiv 2308.14469)."""
