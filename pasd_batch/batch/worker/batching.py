"""Batching of photos: those with like tiles and the same settings are restored together, as many as may be.

The networks take batches of one fixed shape, and one that is only partly filled costs as much as a full one. So a
full batch goes before the photo that came first, and one that is not full yet is waited for a moment.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, cast

from pasd_batch.batch.worker.photo_loader import LoadedPhoto
from pasd_batch.config.run import RunSettings
from pasd_batch.config.sampling import SamplingSettings

SIZE_STEP = 64
"""Pixels to whose multiples Stable Diffusion's networks pad a photo; others only have their batches less full."""

_KINDS = 4096
"""Sizes of photos of which the tiles are remembered."""

BATCH_PIXELS = 4 * 2**20
"""Most input pixels that are restored together; a larger photo is restored alone."""

ON_GPU, ON_CPU = 8, 4
"""Photos of like size that are restored together unless settings say so: on a GPU as many as fill calls of the networks
where they are one tile each; a CPU is no faster with several."""

LEAST_AHEAD = 4
"""Photos that are fetched ahead at least unless settings say so."""

PATIENCE_SECONDS = 1.0
"""Time that a batch that is not full waits for photos that are still being fetched and decoded."""


def photo_batch(settings: RunSettings) -> int:
    """Most photos that the model gets together; called where it is loaded."""
    if not settings.mode.has_model:
        # Scores and measures are made photo by photo, so that there is nothing to wait for.
        return 1
    if settings.workers.photo_batch is not None:
        return settings.workers.photo_batch
    from pasd_batch.pasd.device import choose_device

    on_gpu = choose_device(settings.restoration.last.model.device).type == "cuda"
    return ON_GPU if on_gpu else ON_CPU


def take_batch(ready: deque[LoadedPhoto], most: int) -> list[LoadedPhoto]:
    """Take the largest batch of up to `most` like photos out of `ready`; of several that which came first."""
    batch = max(_batches(ready, most), key=len)
    for photo in batch:
        ready.remove(photo)
    return batch


def holds_full_batch(ready: Iterable[LoadedPhoto], most: int) -> bool:
    """True if no further photo as large as its first could make a batch of `ready` larger."""
    return any(
        len(batch) == most or _pixels_of(batch) + _pixels(batch[0]) > BATCH_PIXELS for batch in _batches(ready, most)
    )


def _batches(ready: Iterable[LoadedPhoto], most: int) -> list[list[LoadedPhoto]]:
    """For every kind its first photo, and others like it up to the limits; in the order of the first ones."""
    batches: dict[Hashable, list[LoadedPhoto]] = {}
    for photo in ready:
        kind = 0 if most == 1 else _kind(photo.photo.height, photo.photo.width, cast(Any, photo.state.sampling))
        batch = batches.setdefault(kind, [])
        if not batch or (len(batch) < most and _pixels_of(batch) + _pixels(photo) <= BATCH_PIXELS):
            batch.append(photo)
    return list(batches.values())


@lru_cache(_KINDS)
def _kind(height: int, width: int, sampling: SamplingSettings) -> Hashable:
    """Properties that photos share whose tiles go through the networks together: the tiles' size, and the settings.

    Noise level and kept frequencies are each photo's own (`SamplingSettings.of_batch`).
    """
    from pasd_batch.pasd import padding
    from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
    from pasd_batch.pasd.tiling import plan_tiles

    original, least = Size(height, width), sampling.min_short_side
    padded = padding.choose_sizes(original, scale=sampling.scale, min_short_side=least, multiple=SIZE_STEP).padded
    latents = Size(padded.height // LATENT_FACTOR, padded.width // LATENT_FACTOR)
    return plan_tiles(latents, sampling.tiling).tile_size, sampling.of_batch


def _pixels_of(batch: Iterable[LoadedPhoto]) -> int:
    return sum(map(_pixels, batch))


def _pixels(loaded: LoadedPhoto) -> int:
    return loaded.photo.height * loaded.photo.width
