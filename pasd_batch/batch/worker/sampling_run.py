"""A few photos through a worker's pipeline, to measure it: nothing is stored."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pasd_batch.batch.worker.model_stage import ModelStage
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.pipeline import PhotoPipeline
from pasd_batch.batch.worker.process_name import process_name
from pasd_batch.batch.worker.rows import Row
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cluster.session import node_type
from pasd_batch.config.run import RunSettings
from pasd_batch.photos.photo import Photo
from pasd_batch.records import PhotoRecord, Provenance, Stage, Status, WorkOrigin
from pasd_batch.weights_by_name import on_this_machine

_MODEL = (Stage.DESCRIBE, Stage.RESTORE, Stage.SCORE)
_AHEAD = (Stage.FETCH, Stage.DECODE, Stage.REFERENCE, Stage.MASK)
_BEHIND = (Stage.ENCODE, Stage.STORE)


@dataclass(frozen=True)
class SampledPhotos:
    """Time that photos took on a worker."""

    seconds: tuple[float, ...]
    """Time that each adds to its worker's: that of the slowest of the three parts that go on side by side, which are
    fetching and decoding in threads, the model, and encoding in threads."""
    failed: int
    node_type: str | None
    failures: tuple[str, ...] = ()
    """For each kind of failure how many photos have it, and what is wrong with one of them."""


class _Nowhere:
    """Files that are encoded and not stored."""

    def uri(self, output_path: str) -> str:
        """The path alone."""
        return output_path

    def store(self, output_path: str, data: bytes, photo: Photo) -> bytes:
        """The bytes as they are."""
        return data

    def is_in_trouble(self, error: Exception) -> bool:
        """Never."""
        return False


def sample_photos(settings: RunSettings, loaders: ModelLoaders, records: Sequence[PhotoRecord]) -> SampledPhotos:
    """Do these photos as a run does them, and measure; runs in a worker.

    The first is done once before, because what is done first also pays for warming up and compiling.
    """
    provenance = Provenance("sample", "sample", None, "pasd_batch")
    spec = WorkerSpec(settings, provenance, score_columns=(), extra_columns=(), loaders=loaders)
    model = ModelStage(settings, loaders.load(on_this_machine(settings)))
    pipeline = PhotoPipeline(spec, model, _Nowhere(), [_Nowhere() for _ in range(settings.stored_passes)])
    origin, numbered = WorkOrigin(0, 0, process_name()), [replace(each, row=row) for row, each in enumerate(records)]
    pipeline.run(numbered[:1], origin, lambda _: None)
    rows = pipeline.run(numbered, origin, lambda _: None)
    threads = min(pipeline.prefetch, len(rows))
    return SampledPhotos(
        seconds=tuple(_added_seconds(row["seconds"], threads) for row in rows),
        failed=sum(row["status"] == Status.FAILED for row in rows),
        node_type=node_type(),
        failures=tuple(_failures(rows)),
    )


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    """Lines about failed photos by kind: they would fail in the run, too."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == Status.FAILED:
            kinds.setdefault((row["error_stage"], row["error_type"]), []).append(row)
    for (stage, kind), failed in kinds.items():
        photos = {row["photo_id"] for row in failed}
        one = min(failed, key=lambda row: row["photo_id"])
        yield f"{len(photos):,} fail ({stage}, {kind}); {one['photo_id']}: {one['error_message']}"


def _added_seconds(seconds: dict[str, float], threads: int) -> float:
    model, ahead, behind = (
        math.fsum(seconds.get(stage.value) or 0.0 for stage in stages) for stages in (_MODEL, _AHEAD, _BEHIND)
    )
    return max(model, ahead / threads, behind / threads)
