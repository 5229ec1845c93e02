"""Metrics of a run for Prometheus, through Ray, which serves them at the metrics port of every node.

Ray writes `ray_` before each name and `_total` behind a counter's, and adds labels of its own, such as `WorkerId`.
`docs/deploy.md` lists them all; `deploy/grafana/dashboard.json` shows them. Where Ray does not run nothing is measured.
"""

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from pasd_batch.cluster.session import ray_runs
from pasd_batch.storage.retry import retries_so_far


class MetricKind(StrEnum):
    """Kind of a metric, as Prometheus knows it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """Definition of a metric; `labels` come on top of `run`, the run's address."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    labels: tuple[str, ...] = ()


PHOTOS = Metric(
    "pasd_batch_photos", MetricKind.COUNTER, "photos", "Photos that have their row, by `status`.", ("status",)
)
STAGE_SECONDS = Metric(
    "pasd_batch_stage_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time of a photo in a `stage`. (Its `_sum` is Ray's guess, from the middles of the buckets.)",
    ("stage",),
)
STAGE_TIME = Metric(
    "pasd_batch_stage_time_seconds",
    MetricKind.COUNTER,
    "seconds",
    "Time of all photos together in a `stage`.",
    ("stage",),
)
TILES = Metric("pasd_batch_tiles", MetricKind.COUNTER, "tiles", "Tiles denoised, all passes together.")
PIXELS = Metric("pasd_batch_pixels", MetricKind.COUNTER, "pixels", "Pixels of the photos as fetched.")
BYTES = Metric(
    "pasd_batch_bytes",
    MetricKind.COUNTER,
    "bytes",
    "Encoded bytes, by `direction`: `input` photos as fetched, `output` restored ones.",
    ("direction",),
)
RETRIES = Metric(
    "pasd_batch_retries",
    MetricKind.COUNTER,
    "tries",
    "Work done again, by `kind`: `storage` requests, `memory` (tile batch or tile halved), `float32`, and `shard` "
    "(an attempt after one that did not end).",
    ("kind",),
)
SHARDS = Metric(
    "pasd_batch_shards", MetricKind.COUNTER, "shards", "Shards that a worker has ended with, by `state`.", ("state",)
)
WORKER_SECONDS = Metric(
    "pasd_batch_worker_seconds", MetricKind.COUNTER, "seconds", "Time of workers in shards, by `state` of the shard.",
    ("state",),
)  # fmt: skip
QUEUED = Metric(
    "pasd_batch_queued_photos",
    MetricKind.GAUGE,
    "photos",
    "Photos of a worker by `queue`: `loading`, `ready` for the model, `storing`.",
    ("queue",),
)
GPU_MEMORY = Metric(
    "pasd_batch_gpu_memory_bytes",
    MetricKind.GAUGE,
    "bytes",
    "Memory of a worker's GPU by `kind`: `allocated` by tensors, `reserved` by torch, `used` by all processes, and "
    "`total`; 0 without a GPU.",
    ("kind",),
)
PROGRESS = Metric(
    "pasd_batch_run_photos",
    MetricKind.GAUGE,
    "photos",
    "Photos of the run as its driver knows, by `state`: `planned`, `done`, `failed` (since the driver began).",
    ("state",),
)
IN_WORK = Metric("pasd_batch_run_shards_in_work", MetricKind.GAUGE, "shards", "Shards that workers are at now.")
COST = Metric(
    "pasd_batch_run_cost",
    MetricKind.GAUGE,
    "currency of `workers.price_per_hour`",
    "Cost of the run's workers, by `state`: `so_far` and `in_all`, an estimate; only where a price is set.",
    ("state",),
)

METRICS = (
    PHOTOS,
    STAGE_SECONDS,
    STAGE_TIME,
    TILES,
    PIXELS,
    BYTES,
    RETRIES,
    SHARDS,
    WORKER_SECONDS,
    QUEUED,
    GPU_MEMORY,
    PROGRESS,
    IN_WORK,
    COST,
)
"""All metrics, in the order of the documentation."""

_PRINTED = "".join(map(chr, range(0x20, 0x7F)))
_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0]


class RunMetrics:
    """Metrics of one run in this process, a worker's or the driver's; `run` is its address without secrets."""

    def __init__(self, run: str) -> None:
        # Ray takes labels in ASCII alone: what is beyond is written as in URIs, `%C3%BC` for an umlaut.
        self._run = quote(run, safe=_PRINTED)
        self._lock = threading.Lock()
        self._of_ray: dict[str, Any] = {}
        self._storage_retries = retries_so_far()

    def photo(self, row: Mapping[str, Any]) -> None:
        """Count a photo by its result row."""
        self._add(PHOTOS, 1, status=row["status"])
        for stage, seconds in (row.get("seconds") or {}).items():
            if seconds is not None:
                self._add(STAGE_SECONDS, seconds, stage=stage)
                self._add(STAGE_TIME, seconds, stage=stage)
        self._add(TILES, row.get("tiles") or 0)
        self._add(PIXELS, (row.get("input_width") or 0) * (row.get("input_height") or 0))
        for direction in ("input", "output"):
            self._add(BYTES, row.get(f"{direction}_bytes") or 0, direction=direction)
        self._add(RETRIES, row.get("out_of_memory_retries") or 0, kind="memory")
        self._add(RETRIES, int(bool(row.get("float32_retry"))), kind="float32")
        before, self._storage_retries = self._storage_retries, retries_so_far()
        self._add(RETRIES, self._storage_retries - before, kind="storage")
        for kind, nbytes in gpu_memory().items():
            self._add(GPU_MEMORY, nbytes, kind=kind)

    def queues(self, *, loading: int, ready: int, storing: int) -> None:
        """Note how many photos are where in a worker."""
        for queue, photos in {"loading": loading, "ready": ready, "storing": storing}.items():
            self._add(QUEUED, photos, queue=queue)

    def attempt(self, number: int) -> None:
        """Count an attempt at a shard, numbered from 0."""
        self._add(RETRIES, int(number > 0), kind="shard")

    def shard(self, state: str, seconds: float) -> None:
        """Count a shard that a worker has ended with, after so long."""
        self._add(SHARDS, 1, state=state)
        self._add(WORKER_SECONDS, seconds, state=state)

    def progress(self, *, planned: int, done: int, failed: int, in_work: int) -> None:
        """Note how far the run is, in the driver."""
        for state, photos in {"planned": planned, "done": done, "failed": failed}.items():
            self._add(PROGRESS, photos, state=state)
        self._add(IN_WORK, in_work)

    def cost(self, *, so_far: float, in_all: float) -> None:
        """Note what the run has cost and will have cost, in the driver."""
        for state, cost in {"so_far": so_far, "in_all": in_all}.items():
            self._add(COST, cost, state=state)

    def _add(self, metric: Metric, value: float, **labels: str) -> None:
        """Take over a value: counters grow by it, gauges are set to it, histograms observe it."""
        if not ray_runs():
            return
        of_ray, tags = self._metric_of_ray(metric), {"run": self._run, **labels}
        match metric.kind:
            case MetricKind.COUNTER if value > 0:
                of_ray.inc(value, tags)
            case MetricKind.COUNTER:  # Ray refuses to add nothing
                return
            case MetricKind.GAUGE:
                of_ray.set(value, tags)
            case MetricKind.HISTOGRAM:
                of_ray.observe(value, tags)

    def _metric_of_ray(self, metric: Metric) -> Any:
        from ray.util import metrics

        with self._lock:
            if metric.name not in self._of_ray:
                given: dict[str, Any] = {"description": metric.description, "tag_keys": ("run", *metric.labels)}
                match metric.kind:
                    case MetricKind.COUNTER:
                        made = metrics.Counter(metric.name, **given)
                    case MetricKind.GAUGE:
                        made = metrics.Gauge(metric.name, **given)
                    case MetricKind.HISTOGRAM:
                        made = metrics.Histogram(metric.name, boundaries=_BOUNDARIES, **given)
                self._of_ray[metric.name] = made
            return self._of_ray[metric.name]


def gpu_memory() -> dict[str, int]:
    """Bytes of this process's GPU by kind, 0 where it uses none; torch is not loaded for it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return dict.fromkeys(("allocated", "reserved", "used", "total"), 0)
    free, total = torch.cuda.mem_get_info()
    return {
        "allocated": torch.cuda.memory_allocated(),
        "reserved": torch.cuda.memory_reserved(),
        "used": total - free,
        "total": total,
    }
