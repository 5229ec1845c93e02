"""Manifests made from photos themselves."""

import itertools
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from PIL import Image

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.listing import FoundFiles, LeftOut, find_files
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.manifests.writing import refuse_other_formats, write_file, write_tables
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.storage import StorageError
from pasd_batch.storage.threads import in_threads

_logger = logging.getLogger(__name__)

_BATCH_ROWS = 50_000


@dataclass(frozen=True)
class PhotoList:
    """A manifest of photos that were found."""

    data: bytes
    """The Parquet file."""
    photos: int
    left_out: LeftOut


def make_manifest(source: str, target: str, storage_settings: StorageSettings, *, measure: bool = False) -> PhotoList:
    """Write a Parquet manifest of all photos in a folder, below a prefix or that match a glob.

    Columns: `id` (the path below the folder) and `uri`; with `measure` also `width` and `height`, read from each
    photo's header (null where it cannot be), from which planning counts tiles.

    Raises:
        ManifestError: there are no photos, or the target is not called like a Parquet file.
        StorageError: the source cannot be listed, or the target not be written.
    """
    refuse_other_formats(target)
    listed = list_photos(source, storage_settings, measure=measure)
    write_file(target, listed.data, storage_settings)
    return listed


def list_photos(source: str, storage_settings: StorageSettings, *, measure: bool) -> PhotoList:
    """The manifest that `make_manifest` writes.

    Raises:
        ManifestError: there are no photos.
        StorageError: the source cannot be listed.
    """
    found = find_files(source, storage_settings)
    with tempfile.TemporaryFile() as file:
        photos = write_tables(file, _photo_tables(found, storage_settings, measure=measure))
        _refuse_no_photos(source, photos, found.left_out)
        return PhotoList(file.read(), photos, found.left_out)


def count_photos(source: str, storage_settings: StorageSettings) -> tuple[int, LeftOut]:
    """Numbers of photos and of other files in a folder, prefix or glob.

    Raises:
        ManifestError: there are no photos.
        StorageError: the source cannot be listed.
    """
    found = find_files(source, storage_settings)
    photos = sum(1 for _ in found.photos())
    _refuse_no_photos(source, photos, found.left_out)
    return photos, found.left_out


def _refuse_no_photos(source: str, photos: int, left_out: LeftOut) -> None:
    if photos == 0:
        why = "".join(f"; {line}" for line in left_out.lines())
        raise ManifestError(
            f"{redact_uri(source)}: no photos there; check the path, and that their names end in .jpg, .png ...{why}"
        )


def _photo_tables(found: FoundFiles, storage_settings: StorageSettings, *, measure: bool) -> Iterator[pa.Table]:
    uris = found.photos()
    while batch := list(itertools.islice(uris, _BATCH_ROWS)):
        columns = {"id": pa.array([found.name(uri) for uri in batch]), "uri": pa.array(batch)}
        if measure:
            sizes = list(in_threads(lambda uri: _size_of(uri, storage_settings), batch))
            columns["width"] = pa.array([size[0] if size else None for size in sizes], pa.int32())
            columns["height"] = pa.array([size[1] if size else None for size in sizes], pa.int32())
        table = pa.table(columns)
        yield table.replace_schema_metadata({SOURCE_ROOT_KEY: f"{found.folder}/"})


def _size_of(uri: str, storage_settings: StorageSettings) -> tuple[int, int] | None:
    """Width and height as the header says, before any EXIF orientation; None if it cannot be read."""
    try:
        with open_for_reading(uri, storage_settings) as file, Image.open(file) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, StorageError) as error:
        _logger.info("%s: size unknown: %s", redact_uri(uri), error)
        return None
