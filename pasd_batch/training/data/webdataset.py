"""WebDataset tars: where each sample's photo lies in its tar, so that any sample can be read alone.

A sample is all files of a tar that share their name up to the first dot (`000/12.jpg`, `000/12.txt`). Its photo is the
one with nothing before the image suffix; `000/12.seg.png` is something about the photo, and is left alone.
"""

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.training_data import WebDatasetSource
from pasd_batch.manifests.listing import find_files, is_image
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.training.errors import TrainingError

_LONGEST_CAPTION = 1 << 16


@dataclass(frozen=True)
class TarSample:
    """A photo inside a tar."""

    name: str
    """Unique: the tar's path below the source's folder, and the sample's key."""

    uri: str
    """The tar."""

    offset: int = -1
    """First byte of the photo's file; negative while no photo was found."""

    size: int = 0
    caption: str = ""


def find_samples(source: WebDatasetSource, storage_settings: StorageSettings) -> Iterator[TarSample]:
    """All samples with a photo, tars sorted by name; only the tars' headers and the captions are read.

    Raises:
        TrainingError: there is no tar, or one that cannot be read as such.
        StorageError: the path cannot be listed.
    """
    found = find_files(source.path, storage_settings)
    uris = sorted(uri for uri in found.uris if uri.lower().endswith(".tar"))
    if not uris:
        raise TrainingError(f"{source.path}: no .tar file there; check the path (compressed tars must be unpacked)")
    for uri in uris:
        with open_for_reading(uri, storage_settings) as file:
            yield from _samples_of(file, uri, found.name(uri), source.caption_suffix)


def read_member(uri: str, offset: int, size: int, storage_settings: StorageSettings) -> bytes:
    """A stretch of a file: one range request on object stores.

    Raises:
        StorageError: it cannot be read.
    """
    with open_for_reading(uri, storage_settings) as file:
        # Below the buffer, which would fetch megabytes for a photo of some kilobytes.
        source = file.raw if isinstance(file, io.BufferedReader) else file
        source.seek(offset)
        return source.read(size) or b""


def _samples_of(file: BinaryIO, uri: str, tar_name: str, caption_suffix: str) -> Iterator[TarSample]:
    current: TarSample | None = None
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                key, suffix = _split(member.name)
                if current is None or current.name != f"{tar_name}/{key}":
                    if current is not None and current.offset >= 0:
                        yield current
                    current = TarSample(f"{tar_name}/{key}", uri)
                if suffix == caption_suffix:
                    current = replace(current, caption=_caption(tar, member))
                elif is_image(f"photo.{suffix}") and "." not in suffix:
                    current = replace(current, offset=member.offset_data, size=member.size)
            _check_end(file, tar.offset)
    except tarfile.TarError as error:
        raise TrainingError(f"{uri}: not a readable tar ({error}); write it again, uncompressed") from None
    if current is not None and current.offset >= 0:
        yield current


def _caption(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    text = b"" if content is None else content.read(_LONGEST_CAPTION)
    return text.decode("utf-8", errors="replace").strip()


def _check_end(file: BinaryIO, offset: int) -> None:
    """`tarfile` takes a damaged header for the end of the tar; a true end is a block of zeros.

    Raises:
        tarfile.ReadError: there is none.
    """
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise tarfile.ReadError(f"its headers end at byte {offset} without an end mark: cut short, or damaged there")


def _split(name: str) -> tuple[str, str]:
    """Key and suffix: `a/b.c/12.seg.png` -> (`a/b.c/12`, `seg.png`)."""
    folder, base = os.path.split(name)
    stem, _, suffix = base.partition(".")
    return os.path.join(folder, stem), suffix.lower()
