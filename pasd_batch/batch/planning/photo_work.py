"""Work of one photo, told from its row of the manifest and the settings: tiles, effort, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pasd_batch.batch.planning.photo_memory import EMBEDDED, STABLE_DIFFUSION, ModelShape, restoring_bytes
from pasd_batch.config.base import ConfigError
from pasd_batch.config.photo_settings import own_settings, sampling_of
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.manifests.workload import Beside, PhotoWork, WorkOf

if TYPE_CHECKING:
    from pasd_batch.pasd.padding import PhotoSizes

_ALONE = Beside()
_PIXEL_MULTIPLE = 64  # Stable Diffusion 1.5's; other models' padding changes the count by little


def photo_work(restoration: RestorationSettings) -> WorkOf:
    """Tells the work of a photo: tiles in all passes together, and whether its own settings can be used."""
    from pasd_batch.pasd.geometry import Size
    from pasd_batch.pasd.padding import choose_sizes

    *earlier, run = [each.sampling for each in restoration.in_order]
    shapes = [EMBEDDED if each.is_embedded else STABLE_DIFFUSION for each in restoration.in_order]

    def work(width: int, height: int, own: str | None, beside: Beside = _ALONE, /) -> PhotoWork:
        try:
            last = sampling_of(run, own_settings(own), enlarged_before=restoration.enlarged_before)
        except ConfigError as error:
            return PhotoWork(refused=str(error))
        if not (width and height):
            return PhotoWork()
        size, passes = Size(height, width), list[PhotoWork]()
        for sampling, usual, shape in zip((*earlier, last), (*earlier, run), shapes, strict=True):
            sizes = choose_sizes(
                size, scale=sampling.scale, min_short_side=sampling.min_short_side, multiple=_PIXEL_MULTIPLE
            )
            passes.append(_work_of_pass(sizes, sampling.at_fidelity(), usual.at_fidelity(), shape, beside))
            size = sizes.target
        return _together(passes)

    return work


def evaluations(sampling: SamplingSettings, shape: ModelShape) -> float:
    """Evaluations of the networks that a tile takes, guidance's second half among them.

    At steps that the step cache serves only the outermost layers run.
    """
    whole = -(-sampling.steps // sampling.step_cache)
    halves = 2 if sampling.guidance_scale > 1 else 1
    return halves * (whole + shape.outermost * (sampling.steps - whole))


def _together(passes: Sequence[PhotoWork]) -> PhotoWork:
    """The work of passes one after the other."""
    return PhotoWork(
        tiles=sum(each.tiles for each in passes),
        effort=sum(each.effort for each in passes),
        second_tries=sum(each.second_tries for each in passes),
        pixels=max(each.pixels for each in passes),
        memory=max(each.memory for each in passes),
    )


def _work_of_pass(
    sizes: PhotoSizes, sampling: SamplingSettings, usual: SamplingSettings, shape: ModelShape, beside: Beside
) -> PhotoWork:
    """The work of one pass, whose effort is told beside that of the `usual` settings."""
    from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
    from pasd_batch.pasd.tiling import plan_tiles

    latents = Size(sizes.padded.height // LATENT_FACTOR, sizes.padded.width // LATENT_FACTOR)
    grid = plan_tiles(latents, sampling.tiling)
    tiles = len(grid.tiles)
    effort = tiles * evaluations(sampling, shape) / evaluations(usual, shape)
    in_tiles = tiles * grid.tile_size.area
    return PhotoWork(
        tiles=tiles,
        effort=effort,
        second_tries=effort if sampling.retry_weak.enabled else 0.0,
        pixels=sizes.padded.area,
        memory=restoring_bytes(sizes, sampling, shape, tiled_latents=in_tiles, beside=beside),
    )
