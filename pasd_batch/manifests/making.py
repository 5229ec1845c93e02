"""Manifests made from photos themselves."""

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
from PIL import Image

from pasd_batch.config.manifest import Pages
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.file_pages import PAGE_COLUMN, page_id
from pasd_batch.manifests.listing import FoundFiles, LeftOut, find_files
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.manifests.writing import csv_of, is_csv, refuse_other_formats, write_file, write_tables
from pasd_batch.photos.page_sizes import Sizes, page_sizes
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.storage import StorageError, TransientStorageError
from pasd_batch.storage.threads import in_threads

_logger = logging.getLogger(__name__)

_BATCH_ROWS = 50_000


@dataclass(frozen=True)
class PhotoList:
    """A manifest of photos that were found."""

    data: bytes
    """The file."""
    photos: int
    left_out: LeftOut
    folder: str
    """Folder or prefix of the photos."""


FileListener = Callable[[int, int], None]
"""Told after every file that was opened how many were, and of how many that are found so far."""


def make_manifest(
    source: str,
    target: str,
    storage_settings: StorageSettings,
    *,
    measure: bool = False,
    pages: Pages = Pages.FIRST,
    on_file: FileListener = lambda *_: None,
) -> PhotoList:
    """Write a manifest of all photos in a folder, below a prefix or that match a glob: Parquet, or CSV by its name.

    Columns: `id` (the path below the folder) and `uri`; with `measure` also `width` and `height`, read from each
    photo's header (null where it cannot be), from which planning counts tiles. With every page of files, each is a row
    with its number in `file_page` and behind its id (`scan.tif#page=2`); null: the file has but one.
    What is at the target is replaced.

    Raises:
        ManifestError: there are no photos, or the target is called like neither of these.
        StorageError: the source cannot be listed, or the target not be written.
    """
    refuse_other_formats(target, or_csv=True)
    write = csv_of if is_csv(target) else write_tables
    listed = list_photos(source, storage_settings, measure=measure, pages=pages, on_file=on_file, write=write)
    write_file(target, listed.data, storage_settings)
    return listed


def list_photos(
    source: str,
    storage_settings: StorageSettings,
    *,
    measure: bool = False,
    pages: Pages = Pages.FIRST,
    on_file: FileListener = lambda *_: None,
    write: Callable[[BinaryIO, Iterable[pa.Table]], int] = write_tables,
) -> PhotoList:
    """The manifest that `make_manifest` writes.

    Raises:
        ManifestError: there are no photos.
        StorageError: the source cannot be listed.
    """
    found = find_files(source, storage_settings)
    tables = _photo_tables(found, storage_settings, measure=measure, pages=pages, on_file=on_file)
    with tempfile.TemporaryFile() as file:
        photos = write(file, tables)
        _refuse_no_photos(source, photos, found.left_out)
        return PhotoList(file.read(), photos, found.left_out, found.folder)


def count_photos(source: str, storage_settings: StorageSettings, *, pages: Pages = Pages.FIRST) -> tuple[int, LeftOut]:
    """Numbers of photos and of other files in a folder, prefix or glob.

    Raises:
        ManifestError: there are no photos.
        StorageError: the source cannot be listed.
    """
    found = find_files(source, storage_settings)
    if pages is Pages.FIRST:
        photos = sum(1 for _ in found.photos())
    else:
        tables = _photo_tables(found, storage_settings, measure=False, pages=pages)
        photos = sum(table.num_rows for table in tables)
    _refuse_no_photos(source, photos, found.left_out)
    return photos, found.left_out


def _refuse_no_photos(source: str, photos: int, left_out: LeftOut) -> None:
    if photos == 0:
        why = "".join(f"; {line}" for line in left_out.lines())
        raise ManifestError(
            f"{redact_uri(source)}: no photos there; check the path, and that their names end in .jpg, .png ...{why}"
        )


@dataclass(frozen=True)
class _Row:
    """A photo as it is listed."""

    uri: str
    page: int | None = None
    size: tuple[int, int] | None = None


def _photo_tables(
    found: FoundFiles,
    storage_settings: StorageSettings,
    *,
    measure: bool,
    pages: Pages,
    on_file: FileListener = lambda *_: None,
) -> Iterator[pa.Table]:
    def rows_of(uri: str) -> list[_Row]:
        sizes = _page_sizes(uri, storage_settings) if pages is Pages.EVERY else []
        if sizes:
            return [_Row(uri, page, size) for page, size in enumerate(sizes, start=1)]
        return [_Row(uri, size=_size_of(uri, storage_settings) if measure else None)]

    uris = found.photos()
    before = 0
    while batch := list(itertools.islice(uris, _BATCH_ROWS)):
        opens_files = measure or pages is Pages.EVERY
        rows: list[_Row] = []
        for number, each in enumerate((in_threads if opens_files else map)(rows_of, batch), start=1):
            rows += each
            on_file(before + number, before + len(batch))
        before += len(batch)
        yield _table(rows, found, measure=measure, pages=pages)


def _table(rows: Sequence[_Row], found: FoundFiles, *, measure: bool, pages: Pages) -> pa.Table:
    columns = {
        "id": pa.array([page_id(found.name(row.uri), row.page) for row in rows]),
        "uri": pa.array([row.uri for row in rows]),
    }
    if pages is Pages.EVERY:
        columns[PAGE_COLUMN] = pa.array([row.page for row in rows], pa.int32())
    if measure:
        for side, name in enumerate(("width", "height")):
            columns[name] = pa.array([row.size[side] if row.size else None for row in rows], pa.int32())
    return pa.table(columns).replace_schema_metadata({SOURCE_ROOT_KEY: f"{found.folder}/"})


def _page_sizes(uri: str, storage_settings: StorageSettings) -> Sizes:
    """Sizes of a file's pages; none for one with a single page, or whose pages cannot be counted, which is logged."""
    try:
        with open_for_reading(uri, storage_settings) as file:
            return page_sizes(file)
    except TransientStorageError:
        raise  # its pages may be there
    except Exception as error:  # noqa: BLE001 (readers raise almost anything at damaged files)
        _logger.warning("%s: listed as one page, as its pages cannot be counted: %s", redact_uri(uri), error)
        return []


def _size_of(uri: str, storage_settings: StorageSettings) -> tuple[int, int] | None:
    """Width and height as the header says, before any EXIF orientation; None if it cannot be read."""
    try:
        with open_for_reading(uri, storage_settings) as file, Image.open(file) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, StorageError) as error:
        _logger.info("%s: size unknown: %s", redact_uri(uri), error)
        return None
