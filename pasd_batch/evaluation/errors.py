"""Errors of an evaluation."""

from pasd_batch.errors import PasdBatchError, TroubleAroundPhotos


class EvaluationError(PasdBatchError):
    """An evaluation that cannot be done as it is asked for; the message says what to change."""


class FeaturesFailed(TroubleAroundPhotos):
    """Features of pictures that could not be made; what was made is kept."""
