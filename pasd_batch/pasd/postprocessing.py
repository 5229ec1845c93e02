"""Postprocessing of decoded pixels: colour fix, kept low frequencies, palette, size and data type."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pasd_batch.config.sampling import ColorFix, SamplingSettings
from pasd_batch.pasd import color_fix, kept_frequencies, padding
from pasd_batch.pasd.color_fix import Statistics, fix_color
from pasd_batch.pasd.color_reference import with_palette
from pasd_batch.pasd.device import start_copy_to_host
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.memory import WHOLE_PIXELS
from pasd_batch.pasd.padded_photo import PaddedPhoto
from pasd_batch.pasd.padding import Image
from pasd_batch.pasd.pixel_dtypes import from_float
from pasd_batch.pasd.prepared_photo import PreparedPhoto
from pasd_batch.pasd.running_moments import RunningMoments
from pasd_batch.pasd.soundness import measure_soundness, soundness_of
from pasd_batch.pasd.tiled_features import TiledFeatures
from pasd_batch.pasd.tiling import Tile, TileGrid
from pasd_batch.pasd.weak_tiles import Weakness, reduced, start_reduced_check, start_weak_tile_check


@dataclass(frozen=True)
class Postprocessing:
    """Corrections of one photo's decoded pixels by its input."""

    photo: PreparedPhoto
    grid: TileGrid
    """Tiles of the denoising."""

    @property
    def sampling(self) -> SamplingSettings:
        """The photo's own settings."""
        return self.photo.request.sampling

    @property
    def filter_radius(self) -> int:
        """Radius of the corrections' receptive field, pixels."""
        kept = kept_frequencies.filter_radius(self.photo.kept_frequencies(self.sampling))
        return color_fix.filter_radius(self.sampling.color_fix) + kept

    def correct(self, restored: Image, source: Image, statistics: Statistics | None = None) -> Image:
        """Correct decoded pixels in about [0, 1], of a whole photo or a tile of it; the result is in [0, 1]."""
        fixed = fix_color(restored.clamp(0.0, 1.0), source, self.sampling.color_fix, statistics).clamp(0.0, 1.0)
        image = self.photo.with_frequencies(fixed, source)
        palette = self.photo.request.palette
        return image if palette is None else with_palette(image, palette).clamp(0.0, 1.0)


@dataclass(frozen=True)
class PostprocessedPhoto:
    """A restored photo and the measures of its checks, being copied to main memory."""

    image: Tensor
    """(1, 3, height, width), in the input's data type."""

    soundness: Tensor
    weakness: Callable[[], Weakness] | None


def postprocess(decoded: TiledFeatures, postprocessing: Postprocessing) -> PostprocessedPhoto:
    """Correct decoded pixels; a large photo tile by tile."""
    photo = postprocessing.photo.padded
    if photo.whole is None:
        return _postprocess_by_tiles(decoded, photo, postprocessing)
    sizes, pixels = photo.sizes, decoded.whole()
    device = torch.device("cpu") if sizes.working.area > WHOLE_PIXELS else photo.device
    restored = padding.crop_padding(_unit_range(pixels.to(device)), sizes)
    source = padding.crop_padding(photo.whole.to(device), sizes)
    soundness = measure_soundness(restored, source)
    weakness = start_weak_tile_check(pixels, photo.whole, postprocessing.grid, postprocessing.sampling)
    image = padding.resize(postprocessing.correct(restored, source), sizes.target)
    if image.device.type == "cuda":
        # Interleaved channels, as files want them: on the CPU this copy takes ten times as long.
        image = image.contiguous(memory_format=torch.channels_last)
    image = from_float(image, photo.photo.dtype)
    return PostprocessedPhoto(start_copy_to_host(image), start_copy_to_host(soundness), weakness)


def _postprocess_by_tiles(
    decoded: TiledFeatures, photo: PaddedPhoto, postprocessing: Postprocessing
) -> PostprocessedPhoto:
    size, margin = photo.sizes.working, -(-postprocessing.filter_radius // LATENT_FACTOR)
    image = torch.empty(size.height, size.width, 3, dtype=photo.photo.dtype).permute(2, 0, 1)[None]
    statistics = _statistics(decoded, photo) if postprocessing.sampling.color_fix is ColorFix.ADAIN else None
    moments, source_moments, is_finite = RunningMoments(), RunningMoments(), True
    for tile in decoded.tiles:
        inner = tile.scaled(LATENT_FACTOR).expanded(0, size)
        outer, restored, source = _pictures(decoded, photo, tile, margin)
        made = from_float(postprocessing.correct(restored, source, statistics), image.dtype)
        own = inner.relative_to(outer)
        inner.crop(image).copy_(own.crop(made))
        is_finite = is_finite and bool(torch.isfinite(own.crop(restored)).all())
        moments.add(own.crop(restored).clamp(0.0, 1.0))
        source_moments.add(own.crop(source))
    soundness = soundness_of(is_finite, moments.deviation(), source_moments.deviation())
    return PostprocessedPhoto(image, soundness, _weakness(decoded, photo, postprocessing))


def _weakness(
    decoded: TiledFeatures, photo: PaddedPhoto, postprocessing: Postprocessing
) -> Callable[[], Weakness] | None:
    if not postprocessing.sampling.retry_weak.enabled:
        return None
    size = decoded.size
    made, given = (torch.empty(1, 3, size.height, size.width) for _ in range(2))
    for tile in decoded.tiles:
        tile.crop(made).copy_(reduced(_unit_range(decoded.part(tile))))
        tile.crop(given).copy_(reduced(photo.part(tile.scaled(LATENT_FACTOR))))
    return start_reduced_check(made, given, postprocessing.grid, postprocessing.sampling)


def _statistics(decoded: TiledFeatures, photo: PaddedPhoto) -> Statistics:
    restored, source = RunningMoments(), RunningMoments()
    for tile in decoded.tiles:
        _, made, given = _pictures(decoded, photo, tile, 0)
        restored.add(made.clamp(0.0, 1.0))
        source.add(given)
    return restored.statistics(photo.device), source.statistics(photo.device)


def _pictures(decoded: TiledFeatures, photo: PaddedPhoto, tile: Tile, margin: int) -> tuple[Tile, Image, Image]:
    """A tile grown by `margin` latent pixels, without padding: its place in pixels, the decoded pixels, the input."""
    around = tile.expanded(margin, decoded.size)
    outer = around.scaled(LATENT_FACTOR).expanded(0, photo.sizes.working)
    pixels = outer.relative_to(around.scaled(LATENT_FACTOR)).crop(decoded.part(around))
    return outer, _unit_range(pixels.to(photo.device)), photo.part(outer)


def _unit_range(pixels: Tensor) -> Image:
    return pixels.float() / 2 + 0.5
