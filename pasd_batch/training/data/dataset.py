"""Training samples: from encoded photos to batches of clean and degraded crops.

A sample depends on nothing but its photo and its seed, and the seed on nothing but run, epoch and name: order, workers
and resuming change no sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.training_samples import SampleSettings
from pasd_batch.degradation.chain import degrade_batch
from pasd_batch.degradation.draws import Draws
from pasd_batch.pasd.seeds import derived_seed
from pasd_batch.photos.photo_io import PhotoError
from pasd_batch.training.data.crops import augment, enlarge_to, sample_augmentation


class PhotoTooSmall(PhotoError):
    """A photo with too few pixels to learn from."""


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo as it comes from storage: its name (unique in the training set), the file's bytes, its caption."""

    name: str
    data: bytes
    caption: str = ""


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One crop, clean and degraded, sRGB in [0, 1]; the caption is empty where it was dropped."""

    name: str
    caption: str
    clean: Float[Tensor, "3 side side"]
    degraded: Float[Tensor, "3 side side"]


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Samples as the networks take them: `clean` in [-1, 1] for VAE and losses, `degraded` in [0, 1] for the DRM."""

    names: tuple[str, ...]
    captions: tuple[str, ...]
    clean: Float[Tensor, "batch 3 height width"]
    degraded: Float[Tensor, "batch 3 height width"]

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same batch on another device."""
        clean, degraded = (each.to(device, non_blocking=True) for each in (self.clean, self.degraded))
        return TrainingBatch(self.names, self.captions, clean, degraded)


def make_sample(
    photo: Float[Tensor, "3 height width"], caption: str, *, name: str, seed: int, settings: SampleSettings
) -> TrainingSample:
    """Cut, mirror and degrade one photo (sRGB in [0, 1]); the seed fixes everything random.

    Raises:
        PhotoTooSmall: the shorter side is below `settings.smallest_side`.
    """
    refuse_too_small(photo, settings)
    generator = torch.Generator().manual_seed(seed)
    large = enlarge_to(photo, settings.crop_size)
    height, width = large.shape[-2:]
    augmentation = sample_augmentation(settings, Draws(generator), height=height, width=width)
    crop = augment(large, augmentation, side=settings.crop_size)
    pair = degrade_batch(crop[None], settings=settings.degradation, generator=generator)
    return TrainingSample(
        name=name,
        caption="" if augmentation.caption_dropped else caption,
        clean=pair.targets[0],
        degraded=pair.degraded[0],
    )


def refuse_too_small(photo: Float[Tensor, "3 height width"], settings: SampleSettings) -> None:
    """Make sure that a photo is worth learning from.

    Raises:
        PhotoTooSmall: the shorter side is below `settings.smallest_side`.
    """
    height, width = photo.shape[-2:]
    if min(height, width) < settings.smallest_side:
        raise PhotoTooSmall(
            f"{width}x{height} pixels are too few to train on; the shorter side must have at least "
            f"{settings.smallest_side} (smallest_side)"
        )


def sample_seed(run_seed: int, epoch: int, name: str) -> int:
    """A sample's seed in [0, 2**63), a hash of run seed, epoch and name."""
    return derived_seed(run_seed, f"{epoch}/{name}")


def collate(samples: Sequence[TrainingSample]) -> TrainingBatch:
    """Samples of one crop size as a batch, in their order."""
    return TrainingBatch(
        names=tuple(sample.name for sample in samples),
        captions=tuple(sample.caption for sample in samples),
        clean=2.0 * torch.stack([sample.clean for sample in samples]) - 1.0,
        degraded=torch.stack([sample.degraded for sample in samples]),
    )
