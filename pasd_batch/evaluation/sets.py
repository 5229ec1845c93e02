"""Test sets as pairs of photos: found in the folders that the field uses, or made by degrading clean photos."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.cluster.datasets import rows_of_parts
from pasd_batch.config.evaluation import EvaluationSettings, PhotoSetSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.evaluation.captions import caption_of, read_captions
from pasd_batch.evaluation.degraded import chosen, cropped, degraded_photo, to_8_bit
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.layout import INPUTS, TRUTHS, set_folder
from pasd_batch.manifests.listing import find_files
from pasd_batch.photos.decode import decode_photo
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import AlreadyExists, Storage


@dataclass(frozen=True)
class PhotoPair:
    """A degraded photo, and the true one that its result is compared with."""

    test_set: str
    name: str
    uri: str
    truth: str
    scale: float
    prompt: str | None = None

    @property
    def photo_id(self) -> str:
        """Id in the runs over it."""
        return f"{self.test_set}/{self.name}"


def photo_pairs(settings: EvaluationSettings, storage: Storage) -> list[PhotoPair]:
    """The pairs of all sets, by set and name; what has to be degraded for them is stored if it is not there yet.

    Ray must be running.

    Raises:
        EvaluationError: a set is not as it should be.
        StorageError: photos cannot be read, or not be stored.
    """
    pairs = []
    for test_set in settings.sets:
        found = _paired(test_set, settings) if test_set.pairs is not None else _degraded(test_set, settings, storage)
        captions = None if test_set.captions is None else read_captions(test_set.captions)
        scale = test_set.scale or (test_set.degraded_by if test_set.pairs is None else _scale_of(found, settings))
        for name, (uri, truth) in found.items():
            prompt = None if captions is None else caption_of(PurePosixPath(name).name, captions)
            pairs.append(PhotoPair(test_set.name, name, uri, truth, scale, prompt))
    return pairs


def _paired(test_set: PhotoSetSettings, settings: EvaluationSettings) -> dict[str, tuple[str, str]]:
    """Addresses of the degraded and of the true photo, by name."""
    assert test_set.pairs is not None
    root = test_set.pairs.rstrip("/")
    inputs, truths = (_photos(f"{root}/{part}", settings.storage) for part in (test_set.inputs, test_set.truths))
    if alone := sorted(inputs.keys() ^ truths.keys()):
        raise EvaluationError(
            f"set {test_set.name}: {len(alone):,} photos are in one of {test_set.inputs} and {test_set.truths} alone, "
            f"such as {alone[0]}; both folders need the same names, but for their endings"
        )
    names = _chosen(inputs, test_set, settings)
    return {name: (inputs[name], truths[name]) for name in names}


def _degraded(test_set: PhotoSetSettings, settings: EvaluationSettings, storage: Storage) -> dict[str, tuple[str, str]]:
    assert test_set.photos is not None
    photos = _photos(test_set.photos, settings.storage)
    names = _chosen(photos, test_set, settings)
    folder = set_folder(test_set.name)
    _claim(storage, f"{folder}/set.json", test_set, settings.seed)
    stored = {name: (f"{folder}/{INPUTS}/{name}.png", f"{folder}/{TRUTHS}/{name}.png") for name in names}
    there = set(storage.list(folder))
    missing = [name for name in names if not there.issuperset(stored[name])]

    def make(part: int) -> Iterable[dict[str, str]]:
        name = missing[part]
        data = read_uri(photos[name], settings.storage, max_bytes=settings.limits.max_bytes)
        clean = decode_photo(data, limits=settings.limits).composited()
        try:
            clean = cropped(clean, round(test_set.degraded_by), test_set.crop)
        except ValueError as error:
            raise EvaluationError(f"set {test_set.name}: {name}: {error}") from error
        assert test_set.degradation is not None
        seed = photo_seed(settings.seed, f"{test_set.name}/{name}")
        pair = degraded_photo(clean, test_set.degradation, seed=seed)
        for path, picture in zip(stored[name], (pair.degraded, pair.truth), strict=True):
            storage.write(path, _png(to_8_bit(picture)))
        yield {"name": name}

    if missing:
        for _ in rows_of_parts(len(missing), make):
            pass
    return {name: (storage.uri(degraded), storage.uri(truth)) for name, (degraded, truth) in stored.items()}


def _claim(storage: Storage, path: str, test_set: PhotoSetSettings, seed: int) -> None:
    """Note how a set is degraded, so that nobody adds photos to it that are degraded otherwise."""
    assert test_set.degradation is not None
    made = {"seed": seed, "crop": test_set.crop, "degradation": test_set.degradation.decisive()}
    text = json.dumps(made, indent=1, sort_keys=True).encode()
    try:
        storage.create(path, text)
    except AlreadyExists:
        if storage.read(path) != text:
            raise EvaluationError(
                f"{redact_uri(storage.uri(path))}: the photos there were degraded otherwise; give the set another "
                "name, or the evaluation another output"
            ) from None


def _photos(place: str, storage_settings: StorageSettings) -> dict[str, str]:
    """Addresses of the photos below a folder, by their paths in it without ending."""
    found = find_files(place, storage_settings)
    photos: dict[str, str] = {}
    for uri in found.photos():
        name = str(PurePosixPath(found.name(uri)).with_suffix(""))
        if name in photos:
            raise EvaluationError(f"{redact_uri(place)}: {name} is there with two endings; leave one of them")
        photos[name] = uri
    if not photos:
        raise EvaluationError(f"{redact_uri(place)}: no photo is there; name a folder of photos")
    return photos


def _chosen(photos: Mapping[str, str], test_set: PhotoSetSettings, settings: EvaluationSettings) -> list[str]:
    try:
        return chosen(photos, test_set.count, seed=settings.seed)
    except ValueError as error:
        raise EvaluationError(f"set {test_set.name}: {error}") from error


def _scale_of(found: Mapping[str, tuple[str, str]], settings: EvaluationSettings) -> float:
    """Factor between the two photos of the first pair."""
    uri, truth = next(iter(found.values()))
    limits = settings.limits
    data = (read_uri(each, settings.storage, max_bytes=limits.max_bytes) for each in (uri, truth))
    widths = [decode_photo(each, limits=limits).width for each in data]
    return widths[1] / widths[0]


def _png(levels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()
