"""Base classes of the errors that a person can mend: they are shown as messages, without tracebacks."""


class PasdBatchError(Exception):
    """An error whose message names the value, the limit and the remedy."""


class TroubleAroundPhotos(PasdBatchError):
    """Trouble with what the work on photos stands on: storage, models, processes, the cluster.

    It says nothing about the photo at hand, which is done again later and counts no attempt.
    """
