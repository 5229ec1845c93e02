"""Notice that this node is about to be taken away: a file, which the hook that its pods run before they end makes.

A worker that is killed leaves an attempt that counts as a crash of its shard, since nobody can tell. With notice it is
taken back, so that preemptions on spot nodes do not add up to a shard that is done photo by photo.
"""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from pasd_batch.storage.storage import StorageError

_logger = logging.getLogger(__name__)

NOTICE_VARIABLE = "PASD_BATCH_NODE_ENDS"
"""Environment variable with another path of the file."""

NOTICE = "/tmp/pasd-batch-node-ends"
"""Path of the file; `deploy/kuberay/rayjob.yaml` makes it."""

_CHECK_SECONDS = 1.0


def notice_path() -> Path:
    """Path of the file that gives notice."""
    return Path(os.environ.get(NOTICE_VARIABLE, NOTICE))


def on_notice(action: Callable[[], None], *, seconds: float = _CHECK_SECONDS) -> threading.Event:
    """Call `action` from a thread of its own, again and again while there is notice; setting the event ends it."""
    ended, path = threading.Event(), notice_path()

    def watch() -> None:
        while not ended.wait(seconds):
            if not path.exists():
                continue
            try:
                action()
            except StorageError as error:
                _logger.warning("an attempt may count as a crash: %s", error)

    threading.Thread(target=watch, daemon=True, name="notice of the node's end").start()
    return ended
