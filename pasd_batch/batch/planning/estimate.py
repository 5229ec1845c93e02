"""Estimate of a run before it is started: photos, shards, tiles, and about how long."""

from dataclasses import dataclass, field

from pasd_batch.batch.planning.photo_memory import EMBEDDED, STABLE_DIFFUSION, restoring_bytes
from pasd_batch.batch.planning.plan import check_manifest, number_of_shards
from pasd_batch.config.base import ConfigError
from pasd_batch.config.photo_settings import own_settings, sampling_of
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.manifests.making import count_photos
from pasd_batch.manifests.pieces import is_image_source
from pasd_batch.manifests.workload import PhotoWork, Workload, WorkOf

_PIXEL_MULTIPLE = 64  # Stable Diffusion 1.5's; other models' padding changes the count by little


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

    def seconds(self, *, seconds_per_tile: float, workers: int) -> float | None:
        """About how long the run takes with so many workers; None where no size is known."""
        if not self.work.sized_rows:
            return None
        return self.work.effort * self.photos / self.work.sized_rows * seconds_per_tile / workers

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


def photo_work(restoration: RestorationSettings) -> WorkOf:
    """Tells the work of a photo: tiles in all passes together, and whether its own settings can be used."""
    from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
    from pasd_batch.pasd.padding import choose_sizes
    from pasd_batch.pasd.tiling import plan_tiles

    earlier, run = [each.sampling for each in restoration.in_order[:-1]], restoration.last.sampling
    spaces = [EMBEDDED if each.is_embedded else STABLE_DIFFUSION for each in restoration.in_order]

    def work(width: int, height: int, own: str | None) -> PhotoWork:
        try:
            last = sampling_of(run, own_settings(own), enlarged_before=restoration.enlarged_before)
        except ConfigError as error:
            return PhotoWork(refused=str(error))
        if not (width and height):
            return PhotoWork()
        size, tiles, effort, pixels, memory = Size(height, width), 0, 0.0, 0, 0
        for sampling, space in zip((*earlier, last), spaces, strict=True):
            sizes = choose_sizes(
                size, scale=sampling.scale, min_short_side=sampling.min_short_side, multiple=_PIXEL_MULTIPLE
            )
            latents = Size(sizes.padded.height // LATENT_FACTOR, sizes.padded.width // LATENT_FACTOR)
            count = len(plan_tiles(latents, sampling.tiling).tiles)
            tiles += count
            effort += count * (sampling.steps / run.steps if sampling is last else 1.0)
            memory = max(memory, restoring_bytes(sizes, sampling, space))
            size, pixels = sizes.target, max(pixels, sizes.padded.height * sizes.padded.width)
        return PhotoWork(tiles, effort, pixels, memory)

    return work
