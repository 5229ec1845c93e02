"""Manifests made from photos themselves, and from the photos that a run failed on."""

import itertools
import logging
import posixpath
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pasd_batch.config.storage import StorageSettings
from pasd_batch.data.listing import FoundFiles, LeftOut, ending_of, find_files
from pasd_batch.data.location import redact_uri
from pasd_batch.data.manifest import KNOWN_NAMES_KEY
from pasd_batch.data.manifest_errors import ManifestError
from pasd_batch.data.manifest_survey import SOURCE_ROOT_KEY
from pasd_batch.data.plan_key import key_of_run
from pasd_batch.data.ranged_file import open_for_reading
from pasd_batch.data.run_folder import RunFolder, damaged, in_threads, plan_path
from pasd_batch.data.sealing import has_sealed, unsealed
from pasd_batch.data.storage import Storage, StorageError
from pasd_batch.records import PLAN_SCHEMA, RENAMED_PREFIX, Status, extra_columns

_logger = logging.getLogger(__name__)

_BATCH_ROWS = 50_000


@dataclass(frozen=True)
class PhotoList:
    """A manifest of photos that were found."""

    data: bytes
    """The Parquet file."""
    photos: int
    left_out: LeftOut


def make_manifest(source: str, target: str, access: StorageSettings, *, measure: bool = False) -> PhotoList:
    """Write a Parquet manifest of all photos in a folder, below a prefix or that match a glob.

    Columns: `id` (the path below the folder) and `uri`; with `measure` also `width` and `height`, read from each
    photo's header (null where it cannot be), from which planning counts tiles.

    Raises:
        ManifestError: there are no photos, or the target is not called like a Parquet file.
        StorageError: the source cannot be listed, or the target not be written.
    """
    refuse_other_formats(target)
    listed = list_photos(source, access, measure=measure)
    _write(target, listed.data, access)
    return listed


def list_photos(source: str, access: StorageSettings, *, measure: bool) -> PhotoList:
    """The manifest that `make_manifest` writes.

    Raises:
        ManifestError: there are no photos.
        StorageError: the source cannot be listed.
    """
    found = find_files(source, access)
    with tempfile.TemporaryFile() as file:
        photos = _write_tables(file, _photo_tables(found, access, measure=measure))
        _refuse_no_photos(source, photos, found.left_out)
        return PhotoList(file.read(), photos, found.left_out)


def count_photos(source: str, access: StorageSettings) -> tuple[int, LeftOut]:
    """How many photos a folder, prefix or glob has, and what else is there.

    Raises:
        ManifestError: there are no photos.
        StorageError: the source cannot be listed.
    """
    found = find_files(source, access)
    photos = sum(1 for _ in found.photos())
    _refuse_no_photos(source, photos, found.left_out)
    return photos, found.left_out


def refuse_other_formats(target: str) -> None:
    """Refuse a name under which a Parquet file would not be found again, or be taken for something else.

    Raises:
        ManifestError: naming the ending.
    """
    if ending_of(target) not in (".parquet", ".pq") and not target.endswith("/"):
        shown = redact_uri(target)
        raise ManifestError(f"{shown}: manifests are written as Parquet; give the file a name that ends in .parquet")


def failures_of(run: str, target: str, access: StorageSettings) -> int:
    """Write a Parquet manifest of all photos that have failed so far in the run at `run`; how many there are.

    Rows are as they were planned: same ids, so that a new run gives the same results, and the same output tree. The
    file says of itself how it is read, so a run's own `manifest.format` and `manifest.columns` do not matter for it.
    Nothing is written if there is none.

    Raises:
        ManifestError: the target is not called like a Parquet file; or URIs have credentials, and the manifest that the
            run began with is not there any more.
        StorageError: the run cannot be read, or the target not be written.
    """
    refuse_other_formats(target)
    folder = RunFolder.open(run, access)
    tables = _whole(in_threads(lambda shard: _failed_rows(shard, folder), folder.committed()), folder)
    filled = (table for table in tables if table.num_rows)
    first = next(filled, None)
    if first is None:
        return 0
    with tempfile.TemporaryFile() as file:
        photos = _write_tables(file, itertools.chain([first], filled))
        _write(target, file.read(), access)
    return photos


def _refuse_no_photos(source: str, photos: int, left_out: LeftOut) -> None:
    if photos == 0:
        why = "".join(f"; {line}" for line in left_out.lines())
        raise ManifestError(
            f"{redact_uri(source)}: no photos there; check the path, and that their names end in .jpg, .png ...{why}"
        )


def _photo_tables(found: FoundFiles, access: StorageSettings, *, measure: bool) -> Iterator[pa.Table]:
    uris = found.photos()
    while batch := list(itertools.islice(uris, _BATCH_ROWS)):
        columns = {"id": pa.array([found.name(uri) for uri in batch]), "uri": pa.array(batch)}
        if measure:
            sizes = list(in_threads(lambda uri: _size_of(uri, access), batch))
            columns["width"] = pa.array([size[0] if size else None for size in sizes], pa.int32())
            columns["height"] = pa.array([size[1] if size else None for size in sizes], pa.int32())
        table = pa.table(columns)
        yield table.replace_schema_metadata({SOURCE_ROOT_KEY: f"{found.folder}/"})


def _size_of(uri: str, access: StorageSettings) -> tuple[int, int] | None:
    """Width and height as the header says, before any EXIF orientation; None if it cannot be read."""
    try:
        with open_for_reading(uri, access) as file, Image.open(file) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, StorageError) as error:
        _logger.info("%s: size unknown: %s", redact_uri(uri), error)
        return None


def _failed_rows(shard: int, folder: RunFolder) -> pa.Table:
    results = folder.rows(shard, ["photo_id", "status"])
    failed = {row["photo_id"] for row in results.to_pylist() if row["status"] == Status.FAILED}
    if not failed:
        return pa.table({})
    planned = folder.plan(shard)
    rows = planned.filter(pa.array([identity in failed for identity in planned["photo_id"].to_pylist()]))
    if rows.num_rows != len(failed):
        raise damaged(folder.storage, plan_path(shard), "does not plan all photos of which there are rows")
    columns = {"id": rows["photo_id"]}
    for name in PLAN_SCHEMA.names:
        if name not in ("photo_id", "output_path"):
            columns[name] = rows[name]
    for extra in extra_columns(planned.schema):
        name = f"{RENAMED_PREFIX}{extra.name}" if extra.name in columns else extra.name
        columns[name] = rows[extra.name]
    return pa.table(columns).replace_schema_metadata({**(planned.schema.metadata or {}), KNOWN_NAMES_KEY: b"1"})


def _whole(tables: Iterator[pa.Table], folder: RunFolder) -> Iterator[pa.Table]:
    """The tables with whole URIs; the run's manifest is read again if any of them hides something."""
    key = None
    for table in tables:
        if not table.num_rows or not has_sealed(table):
            yield table
            continue
        key = key or key_of_run(folder)
        rows = unsealed(table.rename_columns(["photo_id", *table.column_names[1:]]), key)
        yield rows.rename_columns(table.column_names)


def _write_tables(file: BinaryIO, tables: Iterable[pa.Table]) -> int:
    """Write tables of one schema as Parquet and go back to the file's start; the number of rows."""
    writer: pq.ParquetWriter | None = None
    rows = 0
    for table in tables:
        writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
        writer.write_table(table)
        rows += table.num_rows
    if writer is not None:
        writer.close()
    file.seek(0)
    return rows


def _write(target: str, data: bytes, access: StorageSettings) -> None:
    folder, name = posixpath.split(target)
    if not name:
        shown = redact_uri(target)
        raise ManifestError(f"{shown} is a folder; name the manifest file, such as {shown}manifest.parquet")
    Storage.open(folder or ".", retry=access.retry, allowed_schemes=access.allowed_schemes).write(name, data)
