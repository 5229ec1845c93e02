"""Second-order degradation of Real-ESRGAN (Wang et al., arXiv 2107.10833), with the parameters PASD was trained with.

Two rounds of blur, resize, noise and JPEG. The second JPEG stands before or after a last resize and sinc filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.degradation import RealEsrganSettings, ResizeMode, ResizeSettings, StageSettings
from pasd_batch.degradation.batch_tensors import index_tensor, to_device
from pasd_batch.degradation.blur_kernels import (
    kernel_weights,
    sample_final_sinc,
    sample_kernel,
)
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.filtering import blur, resize_by, resize_to, round_to_8_bit
from pasd_batch.degradation.jpeg import compress_jpeg
from pasd_batch.degradation.noise import NoiseParameters, add_noise, sample_noise
from pasd_batch.degradation.strength import BEST_JPEG_QUALITY, contract

_JPEG_FIRST_PROBABILITY = 0.5
"""Probability that the second round's JPEG comes before the final resize and filter rather than after them."""


@dataclass(frozen=True)
class Resize:
    """One resize, the same for all pictures of a batch because their sizes must stay equal."""

    factor: float
    mode: ResizeMode


@dataclass(frozen=True, eq=False)
class StageParameters:
    """One round: the resize is the batch's, everything else each picture's own."""

    kernels: Float[Tensor, "batch size size"]
    resize: Resize
    noise: tuple[NoiseParameters, ...]
    jpeg_qualities: Float[Tensor, " batch"]


@dataclass(frozen=True, eq=False)
class ChainParameters:
    """All random parameters of the chain except its noise.

    `jpeg_first` says of each picture whether its second JPEG comes before the last resize and sinc filter;
    `shrink_mode` interpolates that resize to 1 / `scale`, `restore_mode` the one back to the original size.
    """

    first: StageParameters
    second: StageParameters
    final_kernels: Float[Tensor, "batch size size"]
    jpeg_first: tuple[bool, ...]
    shrink_mode: ResizeMode
    restore_mode: ResizeMode
    scale: int
    resize_back: bool


def sample_chain(
    settings: RealEsrganSettings, draws: Draws, *, batch: int, device: torch.device | None = None
) -> ChainParameters:
    """Draw the parameters for a batch on the device; kernels and levels per picture, sizes for all of it.

    A batch of 1, as in the published training, draws everything per picture.
    """
    device = device or torch.device("cpu")
    first = _sample_stage(settings.first, settings, draws, batch, device)
    second = _sample_stage(settings.second, settings, draws, batch, device)
    sincs = [sample_final_sinc(settings.final_sinc, draws, strength=settings.strength) for _ in range(batch)]
    return ChainParameters(
        first=first,
        second=second,
        final_kernels=kernel_weights(sincs, device=device).to(torch.float32),
        jpeg_first=tuple(draws.bernoulli(_JPEG_FIRST_PROBABILITY) for _ in range(batch)),
        shrink_mode=_sample_mode(settings.resize_modes, draws),
        restore_mode=_sample_mode(settings.resize_modes, draws),
        scale=settings.scale,
        resize_back=settings.resize_back,
    )


def sample_resize(
    settings: ResizeSettings, modes: Sequence[ResizeMode], draws: Draws, *, strength: float = 1.0
) -> Resize:
    """Draw whether to enlarge, shrink or keep, by how much (less below strength 1), and the interpolation."""
    lowest, highest = contract(settings.factor, strength=strength, neutral=1.0)
    intervals = {"up": (1.0, highest), "down": (lowest, 1.0), "keep": (1.0, 1.0)}
    direction = draws.choice({"up": settings.up, "down": settings.down, "keep": settings.keep})
    return Resize(factor=draws.uniform(intervals[direction]), mode=_sample_mode(modes, draws))


def apply_chain(
    photos: Float[Tensor, "batch 3 height width"], parameters: ChainParameters, noise: NoiseSource
) -> Float[Tensor, "batch 3 degraded_height degraded_width"]:
    """Degrade sRGB pictures in [0, 1] with these parameters; the result is on the 8-bit grid.

    Sides of at least 8 pixels. The result has the size of the input, or 1 / scale of it without `resize_back`.
    """
    height, width = photos.shape[-2:]
    first, second, scale = parameters.first, parameters.second, parameters.scale
    degraded = blur(photos, first.kernels)
    degraded = resize_by(degraded, factor=first.resize.factor, mode=first.resize.mode)
    degraded = add_noise(degraded, first.noise, noise)
    degraded = compress_jpeg(degraded, first.jpeg_qualities)

    degraded = blur(degraded, second.kernels)
    degraded = resize_to(
        degraded,
        height=max(1, int(height / scale * second.resize.factor)),
        width=max(1, int(width / scale * second.resize.factor)),
        mode=second.resize.mode,
    )
    degraded = add_noise(degraded, second.noise, noise)
    degraded = _compress_some(degraded, second.jpeg_qualities, parameters.jpeg_first)
    small = {"height": max(1, height // scale), "width": max(1, width // scale)}
    degraded = resize_to(degraded, **small, mode=parameters.shrink_mode)
    degraded = blur(degraded, parameters.final_kernels)
    degraded = _compress_some(degraded, second.jpeg_qualities, tuple(not chosen for chosen in parameters.jpeg_first))
    if parameters.resize_back:
        degraded = resize_to(degraded, height=height, width=width, mode=parameters.restore_mode)
    return round_to_8_bit(degraded)


def _compress_some(
    photos: Float[Tensor, "batch 3 height width"],
    qualities: Float[Tensor, " batch"],
    chosen: tuple[bool, ...],
) -> Float[Tensor, "batch 3 height width"]:
    if not any(chosen):
        return photos
    places = index_tensor([index for index, compressed in enumerate(chosen) if compressed], photos)
    return photos.index_copy(0, places, compress_jpeg(photos[places], qualities.to(photos.device)[places]))


def _sample_stage(
    stage: StageSettings, chain: RealEsrganSettings, draws: Draws, batch: int, device: torch.device
) -> StageParameters:
    strength = chain.strength
    kernels = [sample_kernel(stage.blur, draws, strength=strength) for _ in range(batch)]
    qualities = contract(stage.jpeg_quality, strength=strength, neutral=BEST_JPEG_QUALITY)
    return StageParameters(
        kernels=kernel_weights(kernels, device=device).to(torch.float32),
        resize=sample_resize(stage.resize, chain.resize_modes, draws, strength=strength),
        noise=tuple(sample_noise(stage.noise, draws, strength=strength) for _ in range(batch)),
        jpeg_qualities=to_device(torch.tensor([draws.uniform(qualities) for _ in range(batch)]), device),
    )


def _sample_mode(modes: Sequence[ResizeMode], draws: Draws) -> ResizeMode:
    return modes[draws.integer(len(modes))]
