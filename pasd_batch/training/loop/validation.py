"""Validation: held-out photos with a fixed degradation are restored, stored as pictures, and scored."""

import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor

from pasd_batch.config.degradation import DegradationSettings
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.degradation.chain import degrade_batch
from pasd_batch.errors import PasdBatchError
from pasd_batch.metrics.fidelity import fidelity
from pasd_batch.metrics.periodic_pattern import GRID_BOUND, periodic_pattern
from pasd_batch.photos.photo_io import PhotoDecoder, to_tensor
from pasd_batch.training.data.crop_check import warn_of_large_crops
from pasd_batch.training.data.crops import enlarge_to
from pasd_batch.training.data.dataset import sample_seed
from pasd_batch.training.data.photo_index import PhotoIndex, list_photos
from pasd_batch.training.errors import TrainingError

logger = logging.getLogger(__name__)

Picture = Float[Tensor, "3 side side"]


@dataclass(frozen=True, eq=False)
class ValidationPhoto:
    """A clean photo and its degraded version, sRGB in [0, 1]."""

    name: str
    caption: str
    clean: Picture
    degraded: Picture
    seed: int
    """Fixes the noise that it is sampled with, as it did its degradation."""


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """Result of a validation."""

    scores: Mapping[str, float]
    """Means over the photos; `failed` counts those without a result."""

    pictures: Mapping[str, Float[Tensor, "3 height width"]] = field(default_factory=dict)
    """By file name: degraded, restored and clean side by side."""


def load_validation_photos(settings: TrainerSettings) -> list[ValidationPhoto]:
    """The first photos by name of the validation's sources, cut from the middle and degraded.

    Raises:
        TrainingError: not one of them can be used.
        ManifestError, StorageError: a source cannot be read.
    """
    chosen = settings.validation
    if not chosen.sources:
        return []
    index = list_photos(chosen.sources, settings.data.storage).first(chosen.photos)
    limits = settings.data.samples.limits
    warn_of_large_crops(
        index, chosen.crop_size, setting="validation.crop_size", max_bytes=limits.max_bytes, smallest_side=1
    )
    photos = [photo for row in range(len(index)) if (photo := _load(index, row, settings)) is not None]
    if not photos:
        raise TrainingError(f"none of the {len(index)} validation photos can be used; see the warnings above")
    return photos


def score_validation(photos: Sequence[ValidationPhoto], restored: Sequence[Picture | None]) -> ValidationResult:
    """Compare restored photos with the clean ones: PSNR, SSIM, mean CIEDE2000, grid, and the PSNR of the input."""
    scores: dict[str, list[float]] = {}
    pictures: dict[str, Tensor] = {}
    for number, (photo, result) in enumerate(zip(photos, restored, strict=True)):
        if result is None:
            continue
        for name, value in _scores(photo, result).items():
            scores.setdefault(name, []).append(value)
        pictures[_file_name(number, photo.name)] = torch.cat([photo.degraded, result, photo.clean], dim=2)
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    _warn_of_grid(means)
    return ValidationResult({**means, "failed": sum(result is None for result in restored)}, pictures)


def to_png(picture: Float[Tensor, "3 height width"]) -> bytes:
    """A picture in [0, 1] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray((_pixels(picture) * 255.0).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _scores(photo: ValidationPhoto, result: Picture) -> dict[str, float]:
    """One photo's scores, without those that it is too small for."""
    clean, restored = _pixels(photo.clean), _pixels(result)
    closeness, pattern = fidelity(clean, restored), periodic_pattern(clean, restored)
    scores = {
        "psnr": closeness.psnr,
        "color_difference": closeness.color_difference,
        "psnr_input": fidelity(clean, _pixels(photo.degraded)).psnr,
    }
    if closeness.ssim is not None:
        scores["ssim"] = closeness.ssim
    if pattern is not None:
        scores |= {"grid_flat": pattern.flat, "grid_edges": pattern.edges}
    return scores


def _warn_of_grid(means: Mapping[str, float]) -> None:
    for name in ("grid_flat", "grid_edges"):
        if means.get(name, 0.0) > GRID_BOUND:
            logger.warning(
                "validation: %s is %.2f, above %s: a pattern of period 8 shows", name, means[name], GRID_BOUND
            )


def _load(index: PhotoIndex, row: int, settings: TrainerSettings) -> ValidationPhoto | None:
    limits, side = settings.data.samples.limits, settings.validation.crop_size
    try:
        encoded = index.fetch(row, max_bytes=limits.max_bytes)
        pixels = enlarge_to(to_tensor(PhotoDecoder().decode(encoded.data, limits=limits)), side)
    except PasdBatchError as error:
        logger.warning("validation without %s: %s", index.name(row), error)
        return None
    top, left = ((length - side) // 2 for length in pixels.shape[1:])
    crop = pixels[:, top : top + side, left : left + side]
    chain: DegradationSettings = settings.validation.degradation or settings.data.samples.degradation
    seed = sample_seed(settings.validation.seed, 0, encoded.name)
    pair = degrade_batch(crop[None], settings=chain, generator=Generator().manual_seed(seed))
    return ValidationPhoto(encoded.name, encoded.caption, pair.targets[0], pair.degraded[0], seed)


def _pixels(picture: Tensor) -> np.ndarray:
    return picture.detach().cpu().float().clamp(0.0, 1.0).numpy().transpose(1, 2, 0)


def _file_name(number: int, name: str) -> str:
    stem = name.rstrip("/").rpartition("/")[2].partition(".")[0]
    return f"{number:03d}-{re.sub(r'[^A-Za-z0-9_-]', '_', stem)[:80]}.png"
