"""The report page of a run: one HTML file that works without a network."""
