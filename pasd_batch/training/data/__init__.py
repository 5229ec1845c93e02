"""Training data: photos, crops and batches, and the order they come in."""
