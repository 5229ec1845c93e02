"""Features of an evaluation's pictures, for metrics of whole sets: made in parts by workers, and kept.

A part's file is created whole and only once, so that an evaluation which was killed goes on where it was. Pictures go
through the network one by one: features do not depend on how a set was cut.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from pasd_batch.cluster.pool import run_in_pool
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.evaluation.errors import FeaturesFailed
from pasd_batch.evaluation.sets import PhotoPair
from pasd_batch.metrics.fidelity import enlarged_to
from pasd_batch.photos.decode import decode_photo
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.storage import AlreadyExists, Storage
from pasd_batch.weights_by_name import on_this_machine

PART_SIZE = 64
"""Photos of a part."""

TRUTHS, ENLARGED = "truth", "lanczos"
"""Sources of features besides the variants' results: true photos, and inputs that were plainly enlarged."""


@dataclass(frozen=True)
class Picture:
    """One picture that features are wanted of."""

    name: str
    uri: str
    as_large_as: str | None = None
    """The picture that this one is enlarged to the size of."""


@dataclass(frozen=True)
class FeaturePart:
    """Pictures whose features become one file."""

    path: str
    pictures: tuple[Picture, ...]


def parts_of(pairs: Sequence[PhotoPair]) -> dict[str, list[list[PhotoPair]]]:
    """The pairs in parts, by set; always the same ones, in the pairs' order."""
    by_set: dict[str, list[PhotoPair]] = {}
    for pair in pairs:
        by_set.setdefault(pair.test_set, []).append(pair)
    return {
        name: [members[start : start + PART_SIZE] for start in range(0, len(members), PART_SIZE)]
        for name, members in by_set.items()
    }


Network = Callable[[np.ndarray], np.ndarray]
"""Gives the features of a picture (height, width, 3), sRGB in [0, 1]."""

NetworkLoader = Callable[[EvaluationSettings], Network]
"""Loads the network in a worker; a function that can be imported by name."""


def make_features(
    parts: Sequence[FeaturePart], settings: EvaluationSettings, storage: Storage, load: NetworkLoader
) -> None:
    """Have workers make the features of all parts that are not stored yet. Ray must be running.

    Raises:
        FeaturesFailed: pictures cannot be read, or the network cannot be loaded.
        ClusterFailed: Ray does not go on.
    """
    pending = [number for number, part in enumerate(parts) if not storage.exists(part.path)]
    arguments = (tuple(parts), settings, storage, load)
    if not pending:
        return
    with closing(run_in_pool(FeatureWorker, arguments, pending, settings.workers)) as rows:
        for row in rows:
            if row["problem"]:
                raise FeaturesFailed(f"features of {parts[row['number']].path}: {row['problem']}")


def read_features(storage: Storage, path: str) -> dict[str, np.ndarray]:
    """A part's features by the pictures' names, in their order.

    Raises:
        StorageError: they cannot be read.
    """
    with np.load(io.BytesIO(storage.read(path)), allow_pickle=False) as stored:
        return dict(zip(stored["names"].tolist(), stored["features"], strict=True))


class FeatureWorker:
    """Holds the network of a process, and makes the features of one part at a time."""

    def __init__(
        self, parts: Sequence[FeaturePart], settings: EvaluationSettings, storage: Storage, load: NetworkLoader
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._storage = storage
        self._load = load
        self._network: Network | None = None

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """The part's number, and what was in the way, if anything."""
        (number,) = batch["number"].tolist()
        try:
            self._make(self._parts[number])
        except PasdBatchError as error:
            return {"number": [number], "problem": [str(error)]}
        return {"number": [number], "problem": [""]}

    def _make(self, part: FeaturePart) -> None:
        network = self._network = self._network or self._load(self._settings)
        features = np.stack([network(picture) for picture in self._pictures(part)])
        buffer = io.BytesIO()
        np.savez(buffer, names=np.array([picture.name for picture in part.pictures]), features=features)
        try:
            self._storage.create(part.path, buffer.getvalue())
        except AlreadyExists:
            return  # another worker has made the same

    def _pictures(self, part: FeaturePart) -> Iterator[np.ndarray]:
        for picture in part.pictures:
            pixels = self._pixels(picture.uri)
            yield pixels if picture.as_large_as is None else enlarged_to(pixels, self._pixels(picture.as_large_as))

    def _pixels(self, uri: str) -> np.ndarray:
        limits = self._settings.limits
        return decode_photo(
            read_uri(uri, self._settings.storage, max_bytes=limits.max_bytes), limits=limits
        ).composited()


def load_network(settings: EvaluationSettings) -> Network:
    """The network that features are taken from, on this machine.

    Raises:
        MetricsUnavailable: it cannot be loaded.
        StorageError: its weights cannot be had.
    """
    from pasd_batch.metrics.inception import InceptionFeatures

    # `fid` names the weights, for places of weights that are not on this machine.
    named = MetricsSettings(no_reference=("fid",), full_reference=(), **settings.metrics.model_dump())
    return InceptionFeatures.from_settings(on_this_machine(named, settings.storage))
