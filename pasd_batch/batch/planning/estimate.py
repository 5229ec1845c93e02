"""Estimate of a run before it is started: photos, shards, tiles, and about how long."""

from dataclasses import dataclass

from pasd_batch.batch.planning.plan import check_manifest, number_of_shards
from pasd_batch.config.restoration import SamplingSettings
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.manifests.making import count_photos
from pasd_batch.manifests.pieces import is_image_source
from pasd_batch.manifests.survey import TileCounter

_PIXEL_MULTIPLE = 64  # Stable Diffusion 1.5's; other models' padding changes the count by little


@dataclass(frozen=True)
class PlanSummary:
    """A run that has been looked at, but not planned."""

    photos: int
    shards: int
    sized_photos: int = 0
    """Photos whose `width` and `height` the manifest tells."""
    sized_tiles: int = 0
    """Tiles of those."""
    colliding_photos: int = 0
    """Photos whose output names are marked, because others would have the same."""
    fingerprint: str | None = None
    """Of the manifest; None for a folder of photos, which is listed when the run is planned."""
    left_out: tuple[str, ...] = ()
    """Lines about what a folder of photos has besides them."""

    @property
    def tiles(self) -> int | None:
        """Tiles of all photos, taking those of unknown size to be like the others; None: no size is known."""
        return round(self.sized_tiles * self.photos / self.sized_photos) if self.sized_photos else None

    def seconds(self, *, seconds_per_tile: float, workers: int) -> float | None:
        """About how long the run takes with so many workers; None where no size is known."""
        return None if self.tiles is None else self.tiles * seconds_per_tile / workers

    def lines(self) -> list[str]:
        """The summary for people."""
        tiles = "unknown (the manifest has no width and height; make it with sizes to know)"
        if self.tiles is not None:
            known = "" if self.sized_photos == self.photos else f" (sizes known of {self.sized_photos:,} photos)"
            tiles = f"{self.tiles:,}{known}"
        marked = [f"names told apart: {self.colliding_photos:,}"] if self.colliding_photos else []
        return [f"photos: {self.photos:,}", f"shards: {self.shards:,}", f"tiles: {tiles}", *marked, *self.left_out]


def plan_summary(settings: RunSettings, *, suffix: str) -> PlanSummary:
    """Check a run's manifest as planning would, and sum it up; writes nothing. Ray must be running.

    Raises:
        ManifestError, StorageError: as planning would.
    """
    if is_image_source(settings.manifest, settings.storage):
        photos, left_out = count_photos(settings.manifest.path, settings.storage)
        shards = number_of_shards(photos, settings.shard_size)
        return PlanSummary(photos=photos, shards=shards, left_out=tuple(left_out.lines()))
    restores = settings.mode is RunMode.RESTORE
    counter = tile_counter(*(each.sampling for each in settings.restoration.in_order)) if restores else None
    checked = check_manifest(settings.manifest, settings.storage, suffix=suffix, count_tiles=counter)
    return PlanSummary(
        photos=checked.photos,
        shards=number_of_shards(checked.photos, settings.shard_size),
        sized_photos=checked.survey.sized_rows,
        sized_tiles=checked.survey.tiles,
        colliding_photos=len(checked.colliding),
        fingerprint=checked.fingerprint,
    )


def tile_counter(*samplings: SamplingSettings) -> TileCounter:
    """Counts the tiles that a photo of a width and height (pixels) is denoised in, in all passes together."""

    def count(width: int, height: int) -> int:
        from pasd_batch.pasd.framing import frame
        from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
        from pasd_batch.pasd.tiling import plan_tiles

        size, tiles = Size(height, width), 0
        for sampling in samplings:
            sizes = frame(size, scale=sampling.scale, min_short_side=sampling.min_short_side, multiple=_PIXEL_MULTIPLE)
            latents = Size(sizes.padded.height // LATENT_FACTOR, sizes.padded.width // LATENT_FACTOR)
            tiles += len(plan_tiles(latents, sampling.tiling).tiles)
            size = sizes.target
        return tiles

    return count
