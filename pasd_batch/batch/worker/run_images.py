"""Restored photos as files of a run, each stored once and for all; and the interface for other places."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.photo import Photo
from pasd_batch.photos.photo_io import PhotoError, decode_photo
from pasd_batch.runs.layout import image_path, pass_path
from pasd_batch.storage.storage import AlreadyExists, NameRefused, Storage, StorageError, TooLarge

_logger = logging.getLogger(__name__)


class ImageFiles(Protocol):
    """Place of restored photos as files; safe in threads."""

    def uri(self, output_path: str) -> str:
        """Address of the file."""
        ...

    def store(self, output_path: str, data: bytes, photo: Photo) -> bytes:
        """Store an encoded photo; the bytes that are there afterwards.

        Raises:
            StorageError: they cannot be stored.
        """
        ...

    def is_in_trouble(self, error: Exception) -> bool:
        """True if an error of `store` says that no photo can be stored for now, whichever it is."""
        ...


@dataclass(frozen=True)
class RunImages:
    """The images of the run at `storage`.

    A stored file is never replaced. What an earlier attempt has left is taken as it is if it differs (as it may
    between kinds of hardware), so that a committed row's hash is that of the file, whoever else is at work.
    """

    storage: Storage
    path_of: Callable[[str], str] = image_path
    """Path in the run for a result's output path."""

    def of_pass(self, number: int) -> "RunImages":
        """The results of a pass before the last, counted from 1."""
        return RunImages(self.storage, partial(pass_path, number))

    def uri(self, output_path: str) -> str:
        """Address of the file."""
        return self.storage.uri(self.path_of(output_path))

    def store(self, output_path: str, data: bytes, photo: Photo) -> bytes:
        """Store an encoded photo unless it is there; the bytes that are there afterwards.

        Raises:
            StorageError: they cannot be stored.
        """
        path = self.path_of(output_path)
        try:
            self.storage.create(path, data)
        except AlreadyExists:
            stored = self.storage.read(path)
        else:
            return data
        if stored == data:
            return data
        if _shows_photo_of_size(stored, photo.height, photo.width):
            _logger.info("%s: an earlier attempt's file differs and is kept", self.storage.uri(path))
            return stored
        _logger.warning("%s: an earlier file is no restored photo and is replaced", self.storage.uri(path))
        self.storage.write(path, data)
        return data

    def is_in_trouble(self, error: Exception) -> bool:
        """True if the run's own storage is in trouble: its name and its size are all that a photo can be refused for.

        The shard is given back then.
        """
        return isinstance(error, StorageError) and not isinstance(error, NameRefused | TooLarge)


def _shows_photo_of_size(data: bytes, height: int, width: int) -> bool:
    try:
        photo = decode_photo(data, limits=DecodeLimits.for_result(width=width, height=height, nbytes=len(data)))
    except PhotoError:
        return False
    return (photo.height, photo.width) == (height, width)
