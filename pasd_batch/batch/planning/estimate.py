"""Estimate of a run before it is started: photos, shards, tiles, and about how long."""

from dataclasses import dataclass, field

from pasd_batch.batch.planning.photo_work import photo_work
from pasd_batch.batch.planning.plan import check_manifest
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.manifests.making import count_photos
from pasd_batch.manifests.pieces import is_image_source
from pasd_batch.manifests.workload import Workload
from pasd_batch.runs.run_file import number_of_shards


@dataclass(frozen=True)
class PlanSummary:
    """A run that has been looked at, but not planned."""

    photos: int
    shards: int
    work: Workload = field(default_factory=Workload)
    """Of the photos whose `width` and `height` the manifest tells."""
    colliding_photos: int = 0
    """Photos whose output names are marked, because others would have the same."""
    fingerprint: str | None = None
    """Of the manifest; None for a folder of photos, which is listed when the run is planned."""
    left_out: tuple[str, ...] = ()
    """Lines about what a folder of photos has besides them."""
    restores: bool = True
    """False for a run without tiles and results."""

    @property
    def tiles(self) -> int | None:
        """Tiles of all photos, taking those of unknown size to be like the others; None: no size is known."""
        return round(self.work.tiles * self.photos / self.work.sized_rows) if self.work.sized_rows else None

    def seconds(self, *, seconds_per_tile: float, workers: int, second_tries: bool = False) -> float | None:
        """About how long the run takes with so many workers; None where no size is known.

        With `second_tries`: if every photo has weak tiles, where these are looked for.
        """
        if not self.work.sized_rows:
            return None
        effort = self.work.effort + (self.work.second_tries if second_tries else 0.0)
        return effort * self.photos / self.work.sized_rows * seconds_per_tile / workers

    def lines(self) -> list[str]:
        """The summary for people."""
        lines = [f"photos: {self.photos:,}", f"shards: {self.shards:,}"]
        lines += [f"tiles: {self._told_tiles()}"] if self.restores else []
        if self.work.most_pixels:
            million, gigabytes = self.work.most_pixels / 1e6, self.work.most_memory / 1e9
            lines.append(f"largest result: {million:,.1f} megapixels")
            lines.append(f"memory: the largest photo takes about {gigabytes:,.1f} GB on a worker, beside its models")
        if self.work.refused:
            lines.append(f"photos that will fail: {self.work.refused:,}; of one, {self.work.why_refused}")
        marked = [f"names told apart: {self.colliding_photos:,}"] if self.colliding_photos else []
        return [*lines, *marked, *self.left_out]

    def _told_tiles(self) -> str:
        if self.tiles is None:
            return "unknown (the manifest has no width and height; make it with sizes to know)"
        sized = self.work.sized_rows
        return f"{self.tiles:,}{'' if sized == self.photos else f' (sizes known of {sized:,} photos)'}"


def plan_summary(settings: RunSettings, *, suffix: str) -> PlanSummary:
    """Check a run's manifest as planning would, and sum it up; writes nothing. Ray must be running.

    Raises:
        ManifestError, StorageError: as planning would.
    """
    restores = settings.mode is RunMode.RESTORE
    if is_image_source(settings.manifest, settings.storage):
        photos, left_out = count_photos(settings.manifest.path, settings.storage, pages=settings.manifest.pages)
        shards = number_of_shards(photos, settings.shard_size)
        return PlanSummary(photos=photos, shards=shards, left_out=tuple(left_out.lines()), restores=restores)
    work_of = photo_work(settings.restoration) if restores else None
    checked = check_manifest(settings.manifest, settings.storage, suffix=suffix, work_of=work_of)
    return PlanSummary(
        photos=checked.photos,
        shards=number_of_shards(checked.photos, settings.shard_size),
        work=checked.survey.work,
        colliding_photos=len(checked.colliding),
        fingerprint=checked.fingerprint,
        restores=restores,
    )
