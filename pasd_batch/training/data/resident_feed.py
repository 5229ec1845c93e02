"""Batches made on the training's device, from photos that are held there."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch

from pasd_batch.config.training_data import TrainingDataSettings
from pasd_batch.degradation.chain import degrade_with
from pasd_batch.degradation.draws import Draws, GeneratorNoise
from pasd_batch.training.data.batch_maker import Feed, NumberedBatch
from pasd_batch.training.data.crops import sample_augmentation
from pasd_batch.training.data.dataset import TrainingBatch, sample_seed
from pasd_batch.training.data.resident_photos import ResidentPhotos
from pasd_batch.training.data.sample_order import BatchPlan, SampleOrder


def resident_feed(photos: ResidentPhotos, settings: TrainingDataSettings, plan: BatchPlan, *, seed: int) -> Feed:
    """A feed whose batches follow from the seed and their samples' numbers.

    Unlike loaders' samples, a group's share their resize factors and, of a mixture, their chain: groups of
    `settings.group_size` are degraded together. Their noise is drawn on the device.
    """
    maker = _Maker(photos, settings, seed)

    def feed(batches: range) -> Iterator[NumberedBatch]:
        skipped = photos.skipped
        for batch in batches:
            yield maker.make(plan.numbers(batch), skipped)
            skipped = Counter()

    return feed


class _Maker:
    def __init__(self, photos: ResidentPhotos, settings: TrainingDataSettings, seed: int) -> None:
        self._photos = photos
        self._settings = settings
        self._seed = seed
        self._order = SampleOrder(len(photos.shapes), seed)

    @torch.no_grad()
    def make(self, numbers: Sequence[int], skipped: Counter[str]) -> NumberedBatch:
        size = self._settings.group_size
        groups = [self._group(numbers[start : start + size]) for start in range(0, len(numbers), size)]
        batch = TrainingBatch(
            names=tuple(name for group in groups for name in group.names),
            captions=tuple(caption for group in groups for caption in group.captions),
            clean=torch.cat([group.clean for group in groups]),
            degraded=torch.cat([group.degraded for group in groups]),
        )
        return NumberedBatch(batch, tuple(numbers), skipped)

    def _group(self, numbers: Sequence[int]) -> TrainingBatch:
        photos, samples = self._photos, self._settings.samples
        seed = sample_seed(self._seed, 0, f"group of {numbers[0]}")
        draws = Draws(torch.Generator().manual_seed(seed))
        rows = [self._row(number) for number in numbers]
        shapes = [photos.shapes[row] for row in rows]
        cuts = [sample_augmentation(samples, draws, height=shape[1], width=shape[2]) for shape in shapes if shape]
        crops = photos.crops(rows, cuts, side=samples.crop_size)
        device = crops.device
        noise = GeneratorNoise(torch.Generator(device).manual_seed(seed), device=device)
        pair = degrade_with(crops, settings=samples.degradation, draws=draws, noise=noise)
        return TrainingBatch(
            names=tuple(photos.names[row] for row in rows),
            captions=tuple(
                "" if cut.caption_dropped else photos.captions[row] for row, cut in zip(rows, cuts, strict=True)
            ),
            clean=2.0 * pair.targets - 1.0,
            degraded=pair.degraded,
        )

    def _row(self, number: int) -> int:
        """The sample's own photo, or another where that could not be used."""
        _, row = self._order.place(number)
        attempt = 0
        while self._photos.shapes[row] is None:
            row = self._order.substitute(number, attempt)
            attempt += 1
        return row
