"""Errors of a training."""


class TrainingError(Exception):
    """A training that cannot start or go on; the message says why and what to do."""
