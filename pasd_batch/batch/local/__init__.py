"""Photos of this machine through the worker's pipeline, without a run folder and without Ray."""
