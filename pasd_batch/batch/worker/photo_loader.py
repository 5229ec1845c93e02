"""A photo on its way in: fetched, hashed, decoded and measured, and with it what it is compared with or coloured by."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pasd_batch.batch.worker.memory_budget import MemoryBudget
from pasd_batch.batch.worker.overlap import DeadlineExceeded
from pasd_batch.batch.worker.photo_state import PhotoState, StageFailed
from pasd_batch.config.photo_settings import adapted
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.manifests.allowed_folders import refuse_outside
from pasd_batch.photos.compact import MOST_FLOATS, compact
from pasd_batch.photos.decoding_cost import check_cost
from pasd_batch.photos.errors import warning_beside
from pasd_batch.photos.estimates.degradation import estimate_degradation
from pasd_batch.photos.estimates.measures import measure_photo
from pasd_batch.photos.mask import UnusableMask, read_mask
from pasd_batch.photos.photo import Photo, to_tensor
from pasd_batch.photos.photo_io import PhotoDecoder
from pasd_batch.records import ImageFacts, Stage
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import read_uri, state_of
from pasd_batch.storage.source_health import SourceInTrouble, trouble_of_source
from pasd_batch.storage.storage import StorageError, TooLarge

if TYPE_CHECKING:
    from pasd_batch.pasd.color_reference import Palette

Result = TypeVar("Result")

FETCHING = "fetching and decoding the photo"
"""Work that `deadlines.fetch` limits."""

MIB = 2**20


@dataclass(frozen=True, eq=False)
class LoadedPhoto:
    """A photo in memory: decoded, with its true version if the manifest names one, or restored, to be stored."""

    state: PhotoState
    photo: Photo
    reference: Photo | None = None
    """The true photo, which full-reference metrics compare with."""
    palette: Palette | None = None
    """The palette of the photo's colour reference."""
    mask: np.ndarray | None = None
    """Share of restoration at every pixel (height, width), float32 in [0, 1]; None: all of it."""
    earlier: tuple[Photo, ...] = ()
    """Results of the passes before the last, to be stored, too."""

    @property
    def nbytes(self) -> int:
        """Memory that the pixels take."""
        own = self.photo.nbytes + sum(each.nbytes for each in self.earlier)
        own += 0 if self.mask is None else self.mask.nbytes
        return own + (0 if self.reference is None else self.reference.nbytes)


@dataclass(frozen=True)
class PhotoLoader:
    """Loads photos; safe in threads."""

    settings: RunSettings
    decoder: PhotoDecoder = field(default_factory=PhotoDecoder)
    memory: MemoryBudget = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", MemoryBudget(self.settings.workers.prefetch_mib * MIB))

    def load(self, state: PhotoState) -> LoadedPhoto:
        """Fetch and decode a photo.

        Raises:
            StageFailed: it, one of its references or its mask cannot be had, or its own settings are refused.
            SourceInTrouble: where it comes from is in trouble, which says nothing about it.
        """
        if state.refused is not None:
            raise StageFailed(state.refused)
        began = time.monotonic()
        photo = self._photo(state, began)
        reference = self._reference(state, began)
        mask = self._mask(photo, state, began)
        largest = max(1.0, self.settings.restoration.enlarged_before * state.sampling.scale)
        if photo.width * photo.height * largest**2 > MOST_FLOATS:
            photo, reference = compact(photo), None if reference is None else compact(reference)
        return LoadedPhoto(state, photo, reference, self._palette(photo, state, began), mask)

    def _photo(self, state: PhotoState, began: float) -> Photo:
        """The photo itself; its row gets what is found out about it."""
        record = state.record
        with state.through(Stage.FETCH, beyond=is_trouble_of_source):
            state.row.input_version = self._version(record.uri, record.source_root)
            data = self._fetch(record.uri, record.source_root)
            fetched = state.row.input = ImageFacts(hashlib.sha256(data).hexdigest(), len(data))
        with state.through(Stage.DECODE):
            photo = self._decode(data, state, began, state.row.page)
            for message in photo.warnings:
                state.warn(message)
            state.row.input = replace(
                fetched, width=photo.width, height=photo.height, format=photo.metadata.source_format
            )
            state.row.stored_form = photo.form
            state.row.degradation = estimate_degradation(photo.pixels, alpha=photo.alpha, file=data)
            if not self.settings.restoration.passes:
                # Before photos are batched by their settings; of several passes each adapts to what it gets.
                state.sampling, state.severity = adapted(state.sampling, state.row.degradation)
            if self.settings.mode is RunMode.AUDIT:
                state.row.audit = measure_photo(photo)
        return photo

    def _reference(self, state: PhotoState, began: float) -> Photo | None:
        """The true photo, if the manifest names one."""
        uri = state.record.reference_uri
        if uri is None:
            return None
        with state.through(Stage.REFERENCE, beyond=is_trouble_of_source), _about("reference_uri", uri):
            data, state.row.reference_sha256, state.row.reference_version = self._noted(uri)
            return self._decode_beside(data, state, began, "reference")

    def _palette(self, photo: Photo, state: PhotoState, began: float) -> Palette | None:
        """The palette of the photo's colour reference, if a restoration is to have it; its pixels are not kept."""
        uri = state.record.color_reference_uri
        if uri is None or self.settings.mode is not RunMode.RESTORE:
            return None
        import torch

        from pasd_batch.pasd.color_reference import Palette

        with state.through(Stage.REFERENCE, beyond=is_trouble_of_source), _about("color_reference_uri", uri):
            data, state.row.color_reference_sha256, state.row.color_reference_version = self._noted(uri)
            reference = self._decode_beside(data, state, began, "color reference")
            if reference.grayscale and not photo.grayscale:
                state.warn("color reference: it is grey, and so is the result; name one in colour")
            opacity = None if reference.alpha is None else torch.from_numpy(reference.alpha)
            return Palette.of(to_tensor(reference)[None], opacity)

    def _mask(self, photo: Photo, state: PhotoState, began: float) -> np.ndarray | None:
        """The photo's mask, if a restoration is to have it."""
        uri = state.record.mask_uri
        if uri is None or self.settings.mode is not RunMode.RESTORE:
            return None
        with state.through(Stage.MASK, beyond=is_trouble_of_source), _about("mask_uri", uri):
            data, state.row.mask_sha256, state.row.mask_version = self._noted(uri)
            if state.row.input is not None and state.row.mask_sha256 == state.row.input.sha256:
                raise UnusableMask("the mask is the photo itself; name a mask, white where the photo is restored")
            mask = read_mask(self._decode_beside(data, state, began, "mask"), photo)
            if not mask.any():
                state.warn("mask: it is black all over, so that the photo is only enlarged; white is restored")
            return mask

    def _decode_beside(self, data: bytes, state: PhotoState, began: float, name: str) -> Photo:
        """A photo that another one has beside it; what is wrong with it is told with its name."""
        photo = self._decode(data, state, began)
        for message in photo.warnings:
            state.warn(warning_beside(name, message))
        return photo

    def _decode(self, data: bytes, state: PhotoState, began: float, page: int | None = None) -> Photo:
        """Decode when there is memory for it, until the deadline of a photo whose loading `began` then."""
        limits, most = self.settings.limits, self.settings.deadlines.fetch
        cost = check_cost(data, limits, page)
        with ExitStack() as held:
            with state.waiting():
                held.enter_context(self.memory.taking(cost.nbytes))
            left = None if most is None else max(0.0, began + most + state.waited - time.monotonic())
            try:
                return self.decoder.decode(data, limits=limits, page=page, cost=cost, seconds=left)
            except TimeoutError as error:
                raise DeadlineExceeded(
                    f"{FETCHING} took longer than {most:g} s; raise deadlines.fetch, or look at the file"
                ) from error

    def _noted(self, uri: str) -> tuple[bytes, str, str | None]:
        """A file that a photo has beside it, its SHA-256 and its version."""
        version = self._version(uri, None)
        data = self._fetch(uri, None)
        return data, hashlib.sha256(data).hexdigest(), version

    def _version(self, uri: str, source_root: str | None) -> str | None:
        """A file's version, in runs that later ones with `manifest.only_new` go by.

        It is asked for before the file is read: of one that changes in between, the next run sees the change.
        """
        if not self.settings.manifest.only_new:
            return None
        return self._reached(uri, source_root, lambda: state_of(uri, self.settings.storage).version)

    def _fetch(self, uri: str, source_root: str | None) -> bytes:
        most = self.settings.limits.max_bytes
        return self._reached(uri, source_root, lambda: read_uri(uri, self.settings.storage, max_bytes=most))

    def _reached(self, uri: str, source_root: str | None, operation: Callable[[], Result]) -> Result:
        storage_settings = self.settings.storage
        try:
            refuse_outside(uri, storage_settings)
            return operation()
        except TooLarge as error:
            raise TooLarge(f"{error} (limits.max_bytes)") from error
        except StorageError as error:
            trouble = trouble_of_source(uri, error, source_root, storage_settings)
            if trouble is None:
                raise
            raise SourceInTrouble(f"{error}; {trouble}") from error


@contextmanager
def _about(column: str, uri: str) -> Iterator[None]:
    """Run a block about the file that a column of the manifest names beside the photo; its error's message says so."""
    try:
        yield
    except Exception as error:
        shown = redact_uri(uri)
        error.add_note(f"this is about the photo's {column}" + ("" if shown in str(error) else f" {shown}"))
        raise


def is_trouble_of_source(error: Exception) -> bool:
    """True if an error of fetching a photo says that its source as a whole is in trouble: the shard is given back."""
    return isinstance(error, SourceInTrouble)
