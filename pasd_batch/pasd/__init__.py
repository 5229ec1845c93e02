"""PASD itself: networks, adjustable noise schedule, sampling, checkpoints, restorer (arXiv 2308.14469)."""
