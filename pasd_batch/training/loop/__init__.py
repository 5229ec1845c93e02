"""The training loop: steps, checkpoints, validation and log."""
