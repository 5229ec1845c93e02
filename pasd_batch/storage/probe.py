"""A look at whether a store does what creates that never overwrite rely on."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from pasd_batch.storage.remote_files import RemoteFiles
from pasd_batch.storage.storage import AlreadyExists, Storage


def honours_create(storage: Storage) -> bool:
    """True if `create` truly refuses to overwrite here: creates an object twice and removes it.

    False on stores that ignore the condition; two drivers on one run could then overwrite each other.

    Raises:
        StorageError: the storage cannot be written at all.
    """
    if isinstance(storage.files, RemoteFiles) and not storage.files.creates_atomically:
        return False
    path = f".pasd-batch-probe-{uuid.uuid4().hex}"
    storage.create(path, b"first")
    try:
        storage.create(path, b"second")
    except AlreadyExists:
        return True
    finally:
        storage.delete(path)
    return False


@contextlib.contextmanager
def empty_folders_removed(storage: Storage) -> Iterator[None]:
    """Remove at the end the folders of a local root that a block of probes has made, as far as they are empty."""
    root = None if isinstance(storage.files, RemoteFiles) else Path(storage.uri())
    made = [] if root is None else [each for each in (root, *root.parents) if not each.exists()]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not made, or somebody has put something there
            for folder in made:
                folder.rmdir()
