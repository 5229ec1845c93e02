"""Manifests that are small enough to be looked at in this process, without Ray."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import repeat

from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.file_pages import pages_of_rows
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import MOST_PROBLEMS_SHOWN, row_name
from pasd_batch.storage.reading import state_of
from pasd_batch.storage.storage import StorageError, redact_uri

SMALL_BYTES = 4 << 20
"""Bytes of all files together: some ten thousand rows as text, a hundred thousand as Parquet, seconds of one CPU."""

_MOST_FILES = 16


def is_small(pieces: Sequence[ManifestPiece], storage_settings: StorageSettings) -> bool:
    """True if a manifest is read sooner in this process than by Ray's tasks."""
    files = {piece.uri for piece in pieces}
    if len(files) > _MOST_FILES:
        return False
    try:
        return sum(state_of(uri, storage_settings).bytes for uri in files) <= SMALL_BYTES
    except StorageError:
        return False  # whoever reads it next says so


def repeated_ids(
    pieces: Sequence[ManifestPiece],
    starts: Sequence[int],
    columns: ManifestColumns,
    storage_settings: StorageSettings,
) -> list[str]:
    """Lines about rows of a small manifest that share their id, beside which others may have other faults."""
    rows: defaultdict[tuple[str, int | None], list[str]] = defaultdict(list)
    for number, piece in enumerate(pieces):
        row = 0
        for table in read_rows(piece, columns, storage_settings):
            given = "photo_id" in table.column_names
            pages = repeat(None) if given else pages_of_rows(table)
            for identity, page in zip(table["photo_id" if given else "uri"].to_pylist(), pages, strict=False):
                if identity:
                    shown = f"{row_name(pieces, starts, number, row)}: {redact_uri(identity)!r}"
                    rows[identity, page].append(f"  {shown}")
                row += 1
    repeated = [line for lines in rows.values() if len(lines) > 1 for line in lines]
    if not repeated:
        return []
    more = [f"  and {len(repeated) - MOST_PROBLEMS_SHOWN:,} more"] if len(repeated) > MOST_PROBLEMS_SHOWN else []
    return [f"{len(repeated):,} rows share their id with another row:", *repeated[:MOST_PROBLEMS_SHOWN], *more]
