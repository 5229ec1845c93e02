"""Batches made ahead by loader processes on this machine, for trainings without Ray."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from pasd_batch.config.training_data import TrainingDataSettings
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.threads import in_order
from pasd_batch.training.data.batch_maker import BatchMaker, Feed, NumberedBatch
from pasd_batch.training.data.dataset import TrainingBatch
from pasd_batch.training.data.photo_index import load_index
from pasd_batch.training.data.sample_order import BatchPlan
from pasd_batch.training.errors import TrainingError

_AHEAD = 2
"""Batches that wait for each process."""


@dataclass(frozen=True)
class LoaderSpec:
    """All that a loader process needs to make a worker's batches; can be hashed and sent to other processes."""

    output: str
    """The training's output, which keeps the list of photos."""

    settings: str
    """`TrainingDataSettings` as JSON."""

    seed: int
    plan: BatchPlan


def make_batch(spec: LoaderSpec, number: int) -> NumberedBatch:
    """Make one batch of a training; what it needs is opened once a process."""
    return _maker(spec).make(spec.plan.numbers(number))


def process_feed(spec: LoaderSpec, loaders: int) -> Feed:
    """Batches from `loaders` processes; with 0, they are made in this process on request."""

    def direct(numbers: range) -> Iterator[NumberedBatch]:
        yield from (make_batch(spec, number) for number in numbers)

    def from_processes(numbers: range) -> Iterator[NumberedBatch]:
        # Started afresh, because a fork of a process with torch's threads can hang.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(loaders, mp_context=context, initializer=_prepare_loader) as pool:
            try:
                made = in_order(lambda number: pool.submit(_make_arrays, spec, number), numbers, ahead=_AHEAD * loaders)
                yield from map(from_arrays, made)
            except BrokenProcessPool as error:
                raise TrainingError(
                    "a process that makes samples was killed, perhaps because memory was full; the same command goes "
                    "on from the last checkpoint, with fewer data.loaders it needs less memory"
                ) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    return from_processes if loaders else direct


def to_arrays(made: NumberedBatch) -> dict[str, Any]:
    """A batch as plain values and arrays, which travel between processes without torch's shared memory."""
    batch = made.batch
    return {
        "names": list(batch.names),
        "captions": list(batch.captions),
        "numbers": list(made.numbers),
        "skipped": dict(made.skipped),
        "clean": batch.clean.numpy(),
        "degraded": batch.degraded.numpy(),
    }


def from_arrays(arrays: dict[str, Any]) -> NumberedBatch:
    """The batch that `to_arrays` took apart."""
    clean, degraded = (torch.from_numpy(np.array(arrays[name])) for name in ("clean", "degraded"))
    batch = TrainingBatch(tuple(arrays["names"]), tuple(arrays["captions"]), clean, degraded)
    return NumberedBatch(batch, tuple(arrays["numbers"]), arrays["skipped"])


def _make_arrays(spec: LoaderSpec, number: int) -> dict[str, Any]:
    return to_arrays(make_batch(spec, number))


def _prepare_loader() -> None:
    torch.set_num_threads(1)
    # An interrupt from the keyboard is for the training alone, which then ends its loaders.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_training, daemon=True, name="end with training").start()


def _end_with_training() -> None:
    # A loader waits on a pipe that it holds both ends of, and would wait for ever for a training that was killed.
    training = multiprocessing.parent_process()
    assert training is not None, "loaders are started by a training"
    training.join()
    os._exit(1)


@lru_cache(maxsize=1)
def _maker(spec: LoaderSpec) -> BatchMaker:
    settings = TrainingDataSettings.model_validate_json(spec.settings)
    index = load_index(Storage.open(spec.output, settings.storage), settings.storage)
    if index is None:
        raise TrainingError(f"{spec.output}: the list of training photos is gone; start the training again")
    return BatchMaker(index, settings, seed=spec.seed)
