"""Exports of a part for each shard: stored whole and only once, so that an export that was killed goes on."""

import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.export.column_types import held
from pasd_batch.export.formats import ExportFailed
from pasd_batch.export.run_rows import RunRows
from pasd_batch.runs.row_file import IMAGE_COLUMN
from pasd_batch.storage.storage import AlreadyExists, Storage, redact_uri

MARKER = "pasd_batch.json"
"""File that says which run the parts are of."""

_IMAGE_ROWS = 100


def export_parts(
    rows: RunRows, target: Storage, path_of: Callable[[int], str], encode: Callable[[pa.Table], bytes]
) -> int:
    """Store what `encode` makes of each shard that is not stored yet; the number of rows stored now.

    Raises:
        ExportFailed: the target has parts of another run.
        StorageError: rows cannot be read, or a part not be stored.
    """
    _refuse_other_parts(target, [path_of(shard) for shard in rows.shards])
    _claim(rows, target)
    target.remove_partial()  # of exports that were killed
    count = 0
    for shard in rows.shards:
        path = path_of(shard)
        if target.exists(path):
            continue
        table = rows.table(shard)
        with suppress(AlreadyExists):  # another export of the same run has been quicker
            target.create(path, encode(table))
        count += table.num_rows
    return count


def _refuse_other_parts(target: Storage, paths: Sequence[str]) -> None:
    """Refuse files that are called like parts but were there before any export, since they would be taken for parts."""
    # An export that begins meanwhile has its marker before its first part, so the marker is looked for last.
    if (found := sorted({*target.list()} & {*paths})) and not target.exists(MARKER):
        raise ExportFailed(f"{redact_uri(target.uri(found[0]))} is there, of no export; give this one another target")


def _claim(rows: RunRows, target: Storage) -> None:
    about = {"run": redact_uri(rows.folder.storage.uri()), "identity": rows.identity}
    try:
        target.create(MARKER, json.dumps(about, indent=2).encode())
    except AlreadyExists:
        existing = json.loads(target.read(MARKER))
        if existing["identity"] != rows.identity:
            raise ExportFailed(
                f"{redact_uri(target.uri())} has an export of {existing['run']}, or of it as it was before; "
                "give this one another target"
            ) from None


def webdataset_path(shard: int) -> str:
    """Path of a shard's archive; all together are `shard-{000000..NNNNNN}.tar`."""
    return f"shard-{shard:06d}.tar"


def encode_webdataset(table: pa.Table) -> bytes:
    """A tar archive: for each photo the file as it was stored, `KEY.png`, and its row, `KEY.json`."""
    from webdataset.writer import TarWriter

    buffer = io.BytesIO()
    with TarWriter(buffer, encoder=False, mtime=0) as archive:
        for number, row in enumerate(table.to_pylist()):
            image = row.pop(IMAGE_COLUMN)
            suffix = PurePosixPath(image["path"]).suffix.removeprefix(".").lower()
            # Not the photo's name: a key ends at the first dot.
            key = f"{row['shard']:06d}-{number:06d}"
            archive.write({"__key__": key, suffix: image["bytes"], "json": json.dumps(row, default=str).encode()})
    return buffer.getvalue()


def huggingface_path(shard: int, shards: int) -> str:
    """Path of a shard's Parquet file, by which `datasets` knows its split."""
    return f"data/train-{shard:05d}-of-{shards:05d}.parquet"


def encode_huggingface(table: pa.Table) -> bytes:
    """A Parquet file whose `image` column `datasets` opens as images."""
    from datasets import Features, Image

    table = held(table)
    features = Features.from_arrow_schema(table.schema)
    features[IMAGE_COLUMN] = Image()
    buffer = io.BytesIO()
    pq.write_table(table.cast(features.arrow_schema), buffer, compression="zstd", row_group_size=_IMAGE_ROWS)
    return buffer.getvalue()
