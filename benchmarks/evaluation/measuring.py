"""Restoring every sample with every method and scoring what comes out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from evaluation.machine import hardware
from evaluation.methods import Method
from evaluation.metrics import Judge
from evaluation.photo_sets import Sample, SampleKey, Samples
from evaluation.store import Store
from pasd_batch.evaluation.degraded import on_8_bit_grid


@dataclass(frozen=True)
class Measurement:
    """One photo restored by one method."""

    sample: SampleKey
    method: str
    """Its name."""

    method_key: str
    seconds: float | None
    """None where this run times other photos."""

    hardware: str
    """Where `seconds` were measured, which may have been in an earlier run."""

    scores: dict[str, float | None]
    """By the names of `METRICS`."""


def places_of(measurements: Sequence[Measurement]) -> str:
    """All machines that seconds were measured on."""
    return "; ".join(sorted({measurement.hardware for measurement in measurements}))


@dataclass(frozen=True)
class Bench:
    """What measuring needs besides samples and methods."""

    store: Store
    judge: Judge
    fresh: tuple[str, ...] = ()
    """What the keys of methods begin with whose stored results are not taken."""

    timed: int | None = None
    """How many photos are restored again for their seconds, the only ones then given; None: seconds as stored."""

    def measure(self, samples: Samples, methods: Sequence[Method]) -> list[Measurement]:
        """All samples through all methods; what is stored already is not done again."""
        measurements = []
        for index, sample in enumerate(tqdm(samples, unit="photo", disable=None)):
            self.store.prepare(sample)
            measurements += [self._measure(sample, method, index) for method in methods]
        return measurements

    def _measure(self, sample: Sample, method: Method, index: int) -> Measurement:
        record = self.store.record(sample.key, method.key)
        picture = None if method.key.startswith(self.fresh) else self.store.picture(sample.key, method.key)
        if picture is None or "seconds" not in record:
            picture, seconds = _restored(sample, method)
            record = {"seconds": seconds, "hardware": hardware(), "scores": {}}
            self.store.write(sample.key, method.key, picture, record)
        scores = self._scores(sample, method, picture, record)
        seconds, where = self._seconds(sample, method, record, index)
        return Measurement(sample.key, method.name, method.key, seconds, where, scores)

    def _seconds(self, sample: Sample, method: Method, record: dict[str, Any], index: int) -> tuple[float | None, str]:
        if self.timed is None:
            return record["seconds"], record["hardware"]
        return _restored(sample, method)[1] if index < self.timed else None, hardware()

    def _scores(
        self, sample: Sample, method: Method, picture: np.ndarray, record: dict[str, Any]
    ) -> dict[str, float | None]:
        known = record["scores"].get(self.judge.source, {})
        missing = [name for name in self.judge.names if name not in known]
        if missing:
            with torch.inference_mode():
                known = {**known, **self.judge.score(picture, sample, missing)}
            record["scores"][self.judge.source] = known
            self.store.write_record(sample.key, method.key, record)
        return {name: known[name] for name in self.judge.names}


def _restored(sample: Sample, method: Method) -> tuple[np.ndarray, float]:
    started = time.perf_counter()
    restored = method.restore(sample)
    return on_8_bit_grid(restored), time.perf_counter() - started
