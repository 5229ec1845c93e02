"""From decoded pixels to the restored photo: its colours, the frequencies that it keeps, its size and its levels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pasd_batch.config.sampling import ColorFix, SamplingSettings
from pasd_batch.pasd import color_fix, framing, kept_frequencies
from pasd_batch.pasd.color_fix import Statistics, fix_color
from pasd_batch.pasd.color_reference import with_palette
from pasd_batch.pasd.device import start_copy_to_host
from pasd_batch.pasd.entered_photo import EnteredPhoto
from pasd_batch.pasd.framed_photo import FramedPhoto
from pasd_batch.pasd.framing import Image
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.levels import in_levels
from pasd_batch.pasd.memory import WHOLE_PIXELS
from pasd_batch.pasd.picture_moments import PictureMoments
from pasd_batch.pasd.soundness import measure_soundness, soundness_of
from pasd_batch.pasd.tiled_features import TiledFeatures
from pasd_batch.pasd.tiling import Tile, TileGrid
from pasd_batch.pasd.weak_tiles import Weakness, look_for_weak_tiles, reduced, weak_tiles_of


@dataclass(frozen=True)
class Finishing:
    """Corrections of a decoded picture by the input."""

    photo: EnteredPhoto
    sampling: SamplingSettings
    grid: TileGrid
    """Tiles that it was denoised in."""

    @property
    def reach(self) -> int:
        """Distance in pixels over which they look."""
        kept = kept_frequencies.reach(self.photo.kept_frequencies(self.sampling))
        return color_fix.reach(self.sampling.color_fix) + kept

    def correct(self, restored: Image, source: Image, statistics: Statistics | None = None) -> Image:
        """A decoded picture in about [0, 1], or a part of one, by the input; in [0, 1]."""
        fixed = fix_color(restored.clamp(0.0, 1.0), source, self.sampling.color_fix, statistics).clamp(0.0, 1.0)
        image = self.photo.with_frequencies(fixed, source, self.sampling)
        palette = self.photo.request.palette
        return image if palette is None else with_palette(image, palette).clamp(0.0, 1.0)


@dataclass(frozen=True)
class FinishedPicture:
    """A restored photo and what is to be judged of it, on their way to main memory."""

    image: Tensor
    """(1, 3, height, width), in the type that the photo came in."""

    soundness: Tensor
    weakness: Callable[[], Weakness] | None


def finish(decoded: TiledFeatures, finishing: Finishing) -> FinishedPicture:
    """Correct what was decoded; a large photo tile by tile."""
    photo = finishing.photo.framed
    if photo.whole is None:
        return _finish_by_tiles(decoded, photo, finishing)
    sizes, pixels = photo.sizes, decoded.whole()
    device = torch.device("cpu") if sizes.working.area > WHOLE_PIXELS else photo.device
    restored = framing.leave(_unit_range(pixels.to(device)), sizes)
    source = framing.leave(photo.whole.to(device), sizes)
    soundness = measure_soundness(restored, source)
    weakness = look_for_weak_tiles(pixels, photo.whole, finishing.grid, finishing.sampling)
    image = framing.resize(finishing.correct(restored, source), sizes.target)
    if image.device.type == "cuda":
        # In the order of files, into which the processor would take ten times as long to bring it.
        image = image.contiguous(memory_format=torch.channels_last)
    image = in_levels(image, photo.photo.dtype)
    return FinishedPicture(start_copy_to_host(image), start_copy_to_host(soundness), weakness)


def _finish_by_tiles(decoded: TiledFeatures, photo: FramedPhoto, finishing: Finishing) -> FinishedPicture:
    size, margin = photo.sizes.working, -(-finishing.reach // LATENT_FACTOR)
    image = torch.empty(size.height, size.width, 3, dtype=photo.photo.dtype).permute(2, 0, 1)[None]
    statistics = _statistics(decoded, photo) if finishing.sampling.color_fix is ColorFix.ADAIN else None
    moments, source_moments, is_finite = PictureMoments(), PictureMoments(), True
    for tile in decoded.tiles:
        inner = tile.scaled(LATENT_FACTOR).grown(0, size)
        outer, restored, source = _pictures(decoded, photo, tile, margin)
        made = in_levels(finishing.correct(restored, source, statistics), image.dtype)
        own = inner.seen_from(outer)
        inner.crop(image).copy_(own.crop(made))
        is_finite = is_finite and bool(torch.isfinite(own.crop(restored)).all())
        moments.add(own.crop(restored).clamp(0.0, 1.0))
        source_moments.add(own.crop(source))
    soundness = soundness_of(is_finite, moments.deviation(), source_moments.deviation())
    return FinishedPicture(image, soundness, _weakness(decoded, photo, finishing))


def _weakness(decoded: TiledFeatures, photo: FramedPhoto, finishing: Finishing) -> Callable[[], Weakness] | None:
    if not finishing.sampling.retry_weak.enabled:
        return None
    size = decoded.size
    made, given = (torch.empty(1, 3, size.height, size.width) for _ in range(2))
    for tile in decoded.tiles:
        tile.crop(made).copy_(reduced(_unit_range(decoded.part(tile))))
        tile.crop(given).copy_(reduced(photo.part(tile.scaled(LATENT_FACTOR))))
    return weak_tiles_of(made, given, finishing.grid, finishing.sampling)


def _statistics(decoded: TiledFeatures, photo: FramedPhoto) -> Statistics:
    restored, source = PictureMoments(), PictureMoments()
    for tile in decoded.tiles:
        _, made, given = _pictures(decoded, photo, tile, 0)
        restored.add(made.clamp(0.0, 1.0))
        source.add(given)
    return restored.statistics(photo.device), source.statistics(photo.device)


def _pictures(decoded: TiledFeatures, photo: FramedPhoto, tile: Tile, margin: int) -> tuple[Tile, Image, Image]:
    """A tile with its surroundings, in pixels and without padding: where it is, what was decoded there, the input."""
    around = tile.grown(margin, decoded.size)
    outer = around.scaled(LATENT_FACTOR).grown(0, photo.sizes.working)
    pixels = outer.seen_from(around.scaled(LATENT_FACTOR)).crop(decoded.part(around))
    return outer, _unit_range(pixels.to(photo.device)), photo.part(outer)


def _unit_range(pixels: Tensor) -> Image:
    return pixels.float() / 2 + 0.5
