"""Progress of a run, for people: a bar on a terminal, a line now and then in a log."""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Self

from tqdm import tqdm

from pasd_batch.batch.worker.shard_worker import ShardProgress
from pasd_batch.cluster.metrics import RunMetrics
from pasd_batch.runs.cost import RunningCost

_logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 60.0


class RunProgress:
    """Counts photos: those of committed shards, and on top those of shards in work, as far as they are known.

    `done` photos were committed before this driver began; failures are counted from then on. `costs` has the cost of
    their workers, where prices are set. Safe in threads.
    """

    def __init__(
        self, photos: int, metrics: RunMetrics, *, done: int, show: bool, costs: "RunningCost | None" = None
    ) -> None:
        self._lock = threading.RLock()
        self._photos = photos
        self._metrics = metrics
        self._costs = costs
        self._begun_at = done
        self._committed = done
        self._failed = 0
        self._running: dict[int, ShardProgress] = {}
        self._done_shards: set[int] = set()
        self._began = time.monotonic()
        self._logged = self._began
        # `None` shows the bar on terminals only.
        self._bar = tqdm(total=photos, initial=done, unit=" photos", disable=None if show else True, smoothing=0.05)
        self._draw()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def commit(
        self, shard: int, photos: int, failed: int, *, seconds: float = 0.0, node_type: str | None = None
    ) -> None:
        """Count the photos of a committed shard, and the time of its worker."""
        with self._lock:
            self._running.pop(shard, None)
            self._done_shards.add(shard)
            self._committed += photos
            self._failed += failed
            if self._costs is not None:
                self._costs.add(photos, seconds, node_type)
            self._draw()

    def watch(self, running: Iterable[ShardProgress]) -> None:
        """Take over how far the shards in work are."""
        with self._lock:
            # The board lags behind what this driver knows.
            self._running = {each.shard: each for each in running if each.shard not in self._done_shards}
            self._draw()

    @property
    def photos(self) -> int:
        """Photos done, in committed shards and in those in work."""
        return min(self._photos, self._committed + sum(progress.photos for progress in self._running.values()))

    @property
    def failed(self) -> int:
        """Those of them that failed since this driver began."""
        return self._failed + sum(progress.failed for progress in self._running.values())

    def _draw(self) -> None:
        self._bar.n = self.photos
        self._bar.set_postfix_str(f"{self.failed:,} failed{self._cost()}", refresh=False)
        self._bar.refresh()
        self._metrics.progress(planned=self._photos, done=self.photos, failed=self.failed, in_work=len(self._running))
        self._log(self.photos, self.failed)

    def _cost(self) -> str:
        """The cost for people; empty where it is not known."""
        in_all = None if self._costs is None else self._costs.in_all(self._photos)
        if self._costs is None or in_all is None:
            return ""
        self._metrics.cost(so_far=self._costs.so_far, in_all=in_all)
        return f", cost {self._costs.so_far:,.2f} of about {in_all:,.2f}"

    def _log(self, done: int, failed: int) -> None:
        now = time.monotonic()
        if not self._bar.disable or now - self._logged < LOG_EVERY_SECONDS:
            return
        self._logged = now
        rate = (done - self._begun_at) / (now - self._began)
        left = f"{(self._photos - done) / rate / 60:,.0f} min left" if rate > 0 else "time left unknown"
        outcomes = f"{failed} failed{self._cost()}"
        _logger.info("%d of %d photos, %s, %.2f photos/s, %s", done, self._photos, outcomes, rate, left)
