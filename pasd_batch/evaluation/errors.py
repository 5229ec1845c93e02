"""Errors of an evaluation."""

from pasd_batch.errors import PasdBatchError


class EvaluationError(PasdBatchError):
    """An evaluation that cannot be done as it is asked for; the message says what to change."""
