"""Errors of a training."""

from pasd_batch.errors import PasdBatchError


class TrainingError(PasdBatchError):
    """A training that cannot start or go on; the message says why and what to do."""
