"""A network with its image processor, given photos in batches that change no result."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pasd_batch.config.describe import DescriberSettings
from pasd_batch.describe.describer import Work
from pasd_batch.describe.model_folder import load_image_processor, load_network

Result = TypeVar("Result")

_FEWEST_ROWS = 8
"""Rows and columns below which pixels are repeated: image processors take few rows for colour channels."""


@dataclass(frozen=True)
class Placement:
    """Device, precision and batch of describers."""

    device: torch.device
    dtype: torch.dtype
    batch: int


@dataclass(frozen=True)
class VisionModel:
    """A network that sees photos."""

    network: Any
    image_processor: Any
    placement: Placement

    @classmethod
    def load(cls, auto_class: Any, settings: DescriberSettings, placement: Placement) -> "VisionModel":
        """The network and the image processor of a folder, where they run.

        Raises:
            DescriberUnavailable: the folder does not hold them.
        """
        network = load_network(auto_class, settings)
        image_processor = load_image_processor(settings)
        return cls(network.to(placement.device, placement.dtype), image_processor, placement)

    @property
    def class_names(self) -> Mapping[int, str]:
        """Names of the classes that the network tells apart."""
        return self.network.config.id2label

    @torch.inference_mode()
    def run(
        self, photos: Sequence[np.ndarray], forward: Callable[[Tensor], Sequence[Result]], work: Work
    ) -> list[Result]:
        """Results that `forward` makes of every photo's pixel values (batch, 3, height, width), in order."""
        prepared = [self._pixel_values(photo) for photo in photos]
        results: dict[int, Result] = {}
        for batch in _batches([tuple(values.shape) for values in prepared], self.placement.batch):
            work.check()
            repeated = batch[-1:] * (self.placement.batch - len(batch) if work.filled else 0)
            stacked = torch.cat([prepared[number] for number in [*batch, *repeated]])
            found = forward(stacked.to(self.placement.device, self.placement.dtype))
            results |= dict(zip(batch, found[: len(batch)], strict=True))
        return [results[number] for number in range(len(photos))]

    def _pixel_values(self, photo: np.ndarray) -> Tensor:
        if min(photo.shape[:2]) < _FEWEST_ROWS:
            photo = photo.repeat(_FEWEST_ROWS, axis=0).repeat(_FEWEST_ROWS, axis=1)
        return self.image_processor(photo, return_tensors="pt")["pixel_values"]


def _batches(shapes: Sequence[Hashable], size: int) -> Iterator[list[int]]:
    """Numbers of inputs that go together: only those of one shape, as padding changes what a network sees.

    YOLOS has no mask for it, and the others see a border.
    """
    for shape in dict.fromkeys(shapes):
        numbers = [number for number, other in enumerate(shapes) if other == shape]
        yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def require_finite(logits: Tensor) -> Tensor:
    """Logits in float32.

    Raises:
        ValueError: they are no numbers, as in a precision that is too small for the network.
    """
    if not bool(torch.isfinite(logits).all()):
        raise ValueError(f"the network gives numbers that are not finite in {logits.dtype}; set model.dtype: float32")
    return logits.float()
