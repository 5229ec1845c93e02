"""Networks of a training: where they start, what of them learns, and how they are stored."""
