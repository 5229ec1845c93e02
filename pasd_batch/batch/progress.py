"""How far a run is, for people: a bar on a terminal, a line now and then in a log."""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Self

from tqdm import tqdm

from pasd_batch.batch.worker import ShardProgress

_logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 60.0


class RunProgress:
    """Counts photos: those of committed shards, and on top those of shards in work, as far as they are known.

    `done` photos were committed before this driver began; failures are counted from then on. Safe in threads.
    """

    def __init__(self, photos: int, *, done: int, show: bool) -> None:
        self._lock = threading.RLock()
        self._photos = photos
        self._begun_at = done
        self._committed = done
        self._failed = 0
        self._running: dict[int, ShardProgress] = {}
        self._began = time.monotonic()
        self._logged = self._began
        # `None` shows the bar on terminals only.
        self._bar = tqdm(total=photos, initial=done, unit=" photos", disable=None if show else True, smoothing=0.05)
        self._draw()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def commit(self, shard: int, photos: int, failed: int) -> None:
        """Count the photos of a committed shard."""
        with self._lock:
            self._running.pop(shard, None)
            self._committed += photos
            self._failed += failed
            self._draw()

    def watch(self, running: Iterable[ShardProgress]) -> None:
        """Take over how far the shards in work are."""
        with self._lock:
            self._running = {progress.shard: progress for progress in running}
            self._draw()

    def _draw(self) -> None:
        done = self._committed + sum(progress.photos for progress in self._running.values())
        failed = self._failed + sum(progress.failed for progress in self._running.values())
        self._bar.n = min(done, self._photos)
        self._bar.set_postfix_str(f"{failed:,} failed", refresh=False)
        self._bar.refresh()
        self._log(min(done, self._photos), failed)

    def _log(self, done: int, failed: int) -> None:
        now = time.monotonic()
        if not self._bar.disable or now - self._logged < LOG_EVERY_SECONDS:
            return
        self._logged = now
        rate = (done - self._begun_at) / (now - self._began)
        left = f"{(self._photos - done) / rate / 60:,.0f} min left" if rate > 0 else "time left unknown"
        _logger.info("%d of %d photos, %d failed, %.2f photos/s, %s", done, self._photos, failed, rate, left)
