"""Image quality scores."""
