"""Batches by number: the photos of their samples are fetched, decoded, cropped and degraded."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from pasd_batch.config.training_data import TrainingDataSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.photos.photo_io import PhotoDecoder, to_tensor
from pasd_batch.training.data.dataset import TrainingBatch, TrainingSample, collate, make_sample, sample_seed
from pasd_batch.training.data.photo_cache import DecodedPhoto, PhotoCache
from pasd_batch.training.data.photo_index import PhotoIndex
from pasd_batch.training.data.sample_order import SampleOrder
from pasd_batch.training.errors import TrainingError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class NumberedBatch:
    """A batch, the numbers of its samples, and the photos that had to be skipped for it, by kind of error."""

    batch: TrainingBatch
    numbers: tuple[int, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)

    def to(self, device: torch.device) -> "NumberedBatch":
        """The same batch on another device."""
        return NumberedBatch(self.batch.to(device), self.numbers, self.skipped)


Feed = Callable[[range], Iterator[NumberedBatch]]
"""Gives a worker its batches, by their numbers, in order."""


class BatchMaker:
    """Makes any batch of a training, in any order, always the same."""

    def __init__(self, index: PhotoIndex, settings: TrainingDataSettings, *, seed: int) -> None:
        self._index = index
        self._settings = settings
        self._seed = seed
        self._order = SampleOrder(len(index), seed)
        self._decoder = PhotoDecoder()
        self._decoded = PhotoCache(self._decode, settings.cache_bytes)

    def make(self, numbers: Sequence[int]) -> NumberedBatch:
        """The batch of these samples.

        Raises:
            TrainingError: `tries` photos in a row cannot be used.
        """
        skipped: Counter[str] = Counter()
        batch = collate([self._sample(number, skipped) for number in numbers])
        return NumberedBatch(batch, tuple(numbers), skipped)

    def _sample(self, number: int, skipped: Counter[str]) -> TrainingSample:
        epoch, row = self._order.place(number)
        for attempt in range(self._settings.tries):
            try:
                return self._from_photo(row, epoch, attempt)
            except PasdBatchError as error:
                skipped[type(error).__name__] += 1
                logger.warning("skipped training photo %s: %s", self._index.name(row), error)
                row = self._order.substitute(number, attempt)
        raise TrainingError(
            f"{self._settings.tries} photos in a row could not be used (kinds of error: {dict(skipped)}); "
            "check data.sources and the log's warnings"
        )

    def _from_photo(self, row: int, epoch: int, attempt: int) -> TrainingSample:
        photo = self._decoded.photo(row)
        # A substitute gets another crop than the same photo in its own turn.
        seed = sample_seed(self._seed, epoch, f"{photo.name}#{attempt}" if attempt else photo.name)
        return make_sample(photo.pixels, photo.caption, name=photo.name, seed=seed, settings=self._settings.samples)

    def _decode(self, row: int) -> DecodedPhoto:
        limits = self._settings.samples.limits
        photo = self._index.fetch(row, max_bytes=limits.max_bytes)
        return DecodedPhoto(photo.name, to_tensor(self._decoder.decode(photo.data, limits=limits)), photo.caption)
