"""Training photos decoded once and held as uint8 on the training's device, where crops are cut.

Samples are cropped and degraded in batches, and only a few numbers per sample are copied to the GPU.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pasd_batch.config.training_data import TrainingDataSettings
from pasd_batch.degradation.batch_tensors import to_device
from pasd_batch.errors import PasdBatchError
from pasd_batch.photos.photo_io import PhotoDecoder, to_tensor
from pasd_batch.storage.threads import in_threads
from pasd_batch.training.data.crops import Augmentation, enlarge_to
from pasd_batch.training.data.dataset import refuse_too_small
from pasd_batch.training.data.photo_index import PhotoIndex
from pasd_batch.training.errors import TrainingError

logger = logging.getLogger(__name__)

MIB = 2**20
_MOST_SKIPPED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class ResidentPhotos:
    """Photos concatenated in one tensor.

    `pixels` holds each photo as (3, height, width); `shapes` has (start, height, width) of the photo of each row of the
    list, or None where it could not be used.
    """

    pixels: UInt8[Tensor, " values"]
    shapes: Sequence[tuple[int, int, int] | None]
    names: Sequence[str]
    captions: Sequence[str]
    skipped: Counter[str]
    """Photos that could not be used, by kind of error."""

    def crops(
        self, rows: Sequence[int], cuts: Sequence[Augmentation], *, side: int
    ) -> Float[Tensor, "batch 3 side side"]:
        """Crops of the photos of these rows, mirrored where that was drawn; sRGB in [0, 1], on the device."""
        device = self.pixels.device
        table = torch.tensor([self._numbers(row, cut, side) for row, cut in zip(rows, cuts, strict=True)])
        first, height, width, direction = to_device(table, device)[:, :, None, None, None].unbind(dim=1)
        channel, line, column = (
            torch.arange(count, device=device).view(shape)
            for count, shape in ((3, (-1, 1, 1)), (side, (-1, 1)), (side, (-1,)))
        )
        places = first + (channel * height + line) * width + direction * column
        return self.pixels[places].float() / 255.0

    def _numbers(self, row: int, cut: Augmentation, side: int) -> tuple[int, int, int, int]:
        """First value of the crop's first line, height and width of its photo, and the direction of its lines."""
        shape = self.shapes[row]
        assert shape is not None, "rows that could not be used are replaced before"
        start, height, width = shape
        left = cut.left + side - 1 if cut.flipped else cut.left
        return start + cut.top * width + left, height, width, -1 if cut.flipped else 1


def load_resident_photos(
    index: PhotoIndex, settings: TrainingDataSettings, device: torch.device, *, threads: int
) -> ResidentPhotos:
    """Decode all photos in `threads` threads; smaller ones are enlarged to the crops' size.

    Raises:
        TrainingError: they need more than `settings.on_device_mib`, or most of them cannot be used.
    """
    limit = settings.on_device_mib * MIB
    pieces: list[Tensor] = []
    shapes: list[tuple[int, int, int] | None] = []
    names: list[str] = []
    captions: list[str] = []
    skipped: Counter[str] = Counter()
    total = 0
    for row, photo in enumerate(_decoded(index, settings, threads)):
        if isinstance(photo, Exception):
            skipped[type(photo).__name__] += 1
            logger.warning("skipped training photo %s: %s", index.name(row), photo)
            shapes.append(None)
            names.append("")
            captions.append("")
            continue
        _, height, width = photo.pixels.shape
        shapes.append((total, height, width))
        names.append(photo.name)
        captions.append(photo.caption)
        total += photo.pixels.numel()
        if total > limit:
            raise TrainingError(
                f"the first {row + 1} of {len(index)} photos need {total // MIB:,} MiB, more than "
                f"data.on_device_mib {settings.on_device_mib:,}; raise it, or set it to 0 and let loaders make batches"
            )
        pieces.append(photo.pixels.flatten())
    _refuse_many_skipped(skipped, len(index))
    return ResidentPhotos(torch.cat(pieces).to(device), shapes, names, captions, skipped)


def _refuse_many_skipped(skipped: Counter[str], photos: int) -> None:
    if skipped.total() > _MOST_SKIPPED_SHARE * photos:
        raise TrainingError(
            f"{skipped.total()} of {photos} photos could not be used (kinds of error: {dict(skipped)}); check "
            "data.sources and the log's warnings"
        )


@dataclass(frozen=True, eq=False)
class _Decoded:
    name: str
    caption: str
    pixels: UInt8[Tensor, "3 height width"]


def _decoded(index: PhotoIndex, settings: TrainingDataSettings, threads: int) -> Iterator[_Decoded | Exception]:
    """Every photo of the list, in its order, or why it cannot be used."""
    samples, decoder = settings.samples, PhotoDecoder()

    def decode(row: int) -> _Decoded | Exception:
        try:
            photo = index.fetch(row, max_bytes=samples.limits.max_bytes)
            pixels = to_tensor(decoder.decode(photo.data, limits=samples.limits))
            refuse_too_small(pixels, samples)
        except PasdBatchError as error:
            return error
        large = enlarge_to(pixels, samples.crop_size)
        return _Decoded(photo.name, photo.caption, (large * 255.0).round().to(torch.uint8))

    return in_threads(decode, range(len(index)), threads=max(1, threads))
