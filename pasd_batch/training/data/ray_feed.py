"""Batches made by Ray Data, anywhere in the cluster, ahead of the training.

A dataset row is a batch's number, not pixels; a task turns numbers into batches. Each worker runs a dataset of its own,
so that its batches come in its own order.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from pasd_batch.config.training_data import TrainingDataSettings
from pasd_batch.training.data.batch_maker import Feed, NumberedBatch
from pasd_batch.training.data.process_feed import LoaderSpec, from_arrays, make_batch, to_arrays
from pasd_batch.training.errors import TrainingError

_BATCHES_A_TASK = 4
"""Batches that a task makes in one go; more of them cost less overhead, and more memory."""

_TASKS_A_DATASET = 1024
"""Longer trainings are several datasets one after the other, so that the driver never plans millions of tasks."""

_PIXELS = ("clean", "degraded")


def ray_feed(spec: LoaderSpec, settings: TrainingDataSettings) -> Feed:
    """Batches from Ray Data tasks; Ray must be running."""
    stretch = _TASKS_A_DATASET * _BATCHES_A_TASK

    def feed(numbers: range) -> Iterator[NumberedBatch]:
        for start in range(0, len(numbers), stretch):
            yield from _from_dataset(spec, settings, numbers[start : start + stretch])

    return feed


def _from_dataset(spec: LoaderSpec, settings: TrainingDataSettings, numbers: range) -> Iterator[NumberedBatch]:
    import ray.data

    # The order of tasks is kept, or the batches would have to wait here for the ones before them.
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    ray.data.DataContext.get_current().enable_progress_bars = False

    def make(rows: dict[str, np.ndarray]) -> dict[str, Any]:
        try:
            return _to_row(make_batch(spec, int(rows["batch"][0])))
        except TrainingError as error:
            # As a value, because Ray turns a task's errors into its own and keeps only their text.
            return {**{name: np.zeros((1, 0), np.float32) for name in _PIXELS}, "facts": [json.dumps(str(error))]}

    tasks = -(-len(numbers) // _BATCHES_A_TASK)
    rows = ray.data.from_items([{"batch": number} for number in numbers], override_num_blocks=tasks)
    dataset = rows.map_batches(
        make,  # pyright: ignore[reportArgumentType]
        batch_size=1,
        num_cpus=settings.loader_cpus,
        compute=ray.data.TaskPoolStrategy(size=settings.loaders),
    )
    for row in dataset.iter_rows():
        facts = json.loads(row["facts"])
        if isinstance(facts, str):
            raise TrainingError(facts)
        yield from_arrays({**facts, **{name: row[name] for name in _PIXELS}})


def _to_row(made: NumberedBatch) -> dict[str, Any]:
    arrays = to_arrays(made)
    pixels = {name: arrays.pop(name)[np.newaxis] for name in _PIXELS}
    return {**pixels, "facts": [json.dumps(arrays)]}
