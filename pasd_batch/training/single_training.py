"""Guard against a training that is begun twice on one machine, such as by the same command in two terminals."""

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.weights_cache import VARIABLE, cache_folder
from pasd_batch.training.errors import TrainingError

logger = logging.getLogger(__name__)


@contextmanager
def only_training(output: Storage) -> Iterator[None]:
    """Run a block that trains into `output` while no other process of this machine and cache does.

    The lock is a file in the cache, which is on a disk of the node, and ends with the process, however that ends.
    Other machines are not kept away.

    Raises:
        TrainingError: another process trains into it.
    """
    place = output.uri()
    place = place if "://" in place else os.path.realpath(place)
    path = cache_folder() / "trainings" / f"{hashlib.sha256(place.encode()).hexdigest()[:24]}.lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingError(
            f"{redact_uri(place)} is being trained by another process of this machine; wait until that has ended (the "
            "same command then goes on), or choose another output"
        ) from None
    except (OSError, NotImplementedError) as error:
        logger.info("no lock against a second training (%s); %s names another folder for it", error, VARIABLE)
    try:
        yield
    finally:
        lock.release()
