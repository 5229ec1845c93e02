"""`plan --sample N`: the time and the cost of a run, from N of its photos that a worker does now."""

from collections.abc import Callable
from datetime import timedelta

from pasd_batch.batch.driver.preflight import WORKER_SECONDS, PreflightFailed
from pasd_batch.batch.planning.drawing import DrawnPhotos, draw_photos
from pasd_batch.batch.planning.plan import check_manifest
from pasd_batch.batch.planning.run_time import TimeEstimate, time_of_all
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.sampling_run import SampledPhotos, sample_photos
from pasd_batch.cluster.session import ClusterFailed, run_on_worker, workers_now
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.manifests.pieces import is_image_source
from pasd_batch.runs.cost import Prices, cost_of_seconds, unpriced_lines
from pasd_batch.runs.kept_list import draft_list
from pasd_batch.storage.storage import Storage

_SEED = 0
"""The same plan draws the same photos."""


def sampled_lines(settings: RunSettings, storage: Storage, loaders: ModelLoaders, count: int) -> list[str]:
    """Restore, score or describe so many photos, as the run would, and tell what all would take; nothing is stored.

    Raises:
        PreflightFailed: no worker can do them.
        ManifestError, StorageError: the manifest cannot be read.
    """
    if not is_image_source(settings.manifest, settings.storage):
        return _lines(settings, settings.manifest, loaders, count)
    # A folder of photos is listed where all machines see the list, as a run lists it, and the list is gone afterwards.
    with draft_list(settings.manifest.path, storage, settings.storage, pages=settings.manifest.pages) as draft:
        return _lines(settings, draft.manifest, loaders, count)


def _lines(settings: RunSettings, manifest: ManifestSettings, loaders: ModelLoaders, count: int) -> list[str]:
    checked = check_manifest(manifest, settings.storage, suffix=settings.output.file.format.suffix)
    drawn = draw_photos(checked, count, seed=_SEED)
    told = settings.model_copy(update={"storage": settings.storage.with_folders(checked.folders)})
    try:
        arguments = (told, loaders, drawn.records)
        sampled = run_on_worker(sample_photos, *arguments, settings=settings.workers, seconds=WORKER_SECONDS)
    except (ClusterFailed, TimeoutError) as error:
        raise PreflightFailed([f"no worker could do the sample: {type(error).__name__}: {error}"]) from error
    estimate = time_of_all(sampled.seconds, drawn.sizes, drawn.certain, rest=drawn.rest)
    return describe_sample(drawn, sampled, estimate, workers_now(settings.workers), settings.workers.price_per_hour)


def describe_sample(
    drawn: DrawnPhotos, sampled: SampledPhotos, estimate: TimeEstimate, workers: int, prices: Prices
) -> list[str]:
    """The measurement and what follows from it, for people."""
    photos, seconds = len(drawn.records), sum(sampled.seconds)
    sized = any(size != 1.0 for size in drawn.sizes)
    pace = f", {seconds / sum(drawn.sizes) * 1e6:.2f} s a megapixel" if sized else ""
    how = "drawn by size" if sized else "drawn at random, as the manifest does not tell the sizes of all photos"
    how = "all there are" if not drawn.rest else how
    failed = f", {sampled.failed:,} of them failed" if sampled.failed else ""
    lines = [
        f"sample: {photos:,} photos, {how}{failed}: {seconds / photos:.2f} s a photo{pace} on a worker",
        *(f"warning: of the sample, {line}" for line in sampled.failures),
        f"time: about {_between(estimate, lambda taken: str(timedelta(seconds=round(taken / workers))))}"
        f" with {workers:,} worker(s), for which the cluster has room now (without storing)",
    ]
    if cost_of_seconds(prices, estimate.seconds, sampled.node_type) is not None:
        told = _between(estimate, lambda taken: f"{cost_of_seconds(prices, taken, sampled.node_type) or 0.0:,.2f}")
        lines.append(f"cost: about {told}")
    return [*lines, *unpriced_lines(prices, sampled.node_type)]


def _between(estimate: TimeEstimate, shown: Callable[[float], str]) -> str:
    """An estimate with its interval, `shown` as it is meant."""
    if estimate.low is None or estimate.high is None:
        return f"{shown(estimate.seconds)} (from too few photos, so that nobody knows how sure)"
    if estimate.low == estimate.high:
        return shown(estimate.seconds)
    return f"{shown(estimate.seconds)} (95 % interval {shown(estimate.low)} to {shown(estimate.high)})"
