"""A look at whether a store does what creates that never overwrite rely on."""

import uuid

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
