"""Creates that never overwrite, though the answer of a try may be lost."""

import uuid

from pasd_batch.config.storage import RetryPolicy
from pasd_batch.storage.errors import AlreadyExists, TransientStorageError, translated
from pasd_batch.storage.local_files import LocalFiles
from pasd_batch.storage.remote_files import RemoteFiles
from pasd_batch.storage.retry import with_retries


def create_once(files: LocalFiles | RemoteFiles, retry: RetryPolicy, key: str, data: bytes) -> None:
    """Put `data` there as a whole if nothing is there.

    A try that failed on the network may have reached the store all the same. What then turns up there is ours if it
    carries this call's mark (S3), or, on stores without marks, if it has the same bytes.

    Raises:
        AlreadyExists: something that this call did not create is there.
        StorageError: it cannot be created.
    """
    mark, unsure = uuid.uuid4().hex, False

    def is_own() -> bool:
        creator = translated(shown, lambda: files.creator(key))
        if creator is not None:
            return creator == mark
        return unsure and translated(shown, lambda: files.read(key, None)) == data

    def shown() -> str:
        return files.shown(key)

    def attempt() -> None:
        nonlocal unsure
        try:
            translated(shown, lambda: files.create(key, data, mark))
        except TransientStorageError:
            unsure = True
            raise
        except AlreadyExists:
            if not is_own():
                raise

    with_retries(retry, attempt)
