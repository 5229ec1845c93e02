"""What tells that a folder or prefix holds a run."""

from pasd_batch.data.storage import NotFound, Storage, redact_uri

RUN_FILE = "run.json"
"""What a run is, relative to its root; there from the moment that it begins."""


def require_run(storage: Storage) -> None:
    """Make sure that a run has begun at `storage`, so that a mistyped path is not taken for a run without photos.

    Raises:
        NotFound: there is none.
        StorageError: the place cannot be looked at.
    """
    if not storage.exists(RUN_FILE):
        raise no_run(storage)


def no_run(storage: Storage) -> NotFound:
    """The error for a place without a run."""
    place = redact_uri(storage.uri(RUN_FILE))
    return NotFound(f"{place}: there is no run; check the path, which is the run's output.root")
