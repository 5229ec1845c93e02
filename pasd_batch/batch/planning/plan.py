"""Planning a run: the manifest is read, checked and cut into shards by Ray Data, never held by the driver.

The manifest is read three times, in parallel and in bounded memory: once to survey it (counts, columns, problems),
once for the keys of all ids and output paths, whose duplicates a shuffle finds, and once to write the shards. What
the driver holds is a summary of each file and the numbers of the rows whose output paths collide, 8 bytes each.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import dataclasses
import logging
import pickle
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.batch.planning.plan_stages import (
    ID_KEY,
    PATH_KEY,
    PathRules,
    ShardLayout,
    Span,
    cut_shards,
    cut_spans,
    key_table,
    planned_rows,
    read_span,
    repeated_keys,
    write_shards,
)
from pasd_batch.batch.planning.small_manifests import is_small, repeated_ids
from pasd_batch.cluster.datasets import dataset_of, own_errors, rows_of_parts
from pasd_batch.config.manifest import ManifestColumns, ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.carried import cast_extra
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import ManifestPiece, find_pieces
from pasd_batch.manifests.rows import photo_ids
from pasd_batch.manifests.survey import (
    MOST_PROBLEMS_SHOWN,
    ManifestSurvey,
    PieceSurvey,
    merge_surveys,
    row_name,
    survey_piece,
)
from pasd_batch.manifests.workload import WorkOf
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.storage import Storage, StorageError

_logger = logging.getLogger(__name__)

_SPAN_ROWS = 200_000
_ROWS_IN_ONE_BLOCK = 1_000_000  # keys of so many rows stay far below the size at which Ray cuts a block in two
_ROWS_PER_BUCKET = 1_000_000


@dataclasses.dataclass(frozen=True)
class CheckedManifest:
    """A manifest that can be planned: nothing in it is missing, refused or there twice."""

    pieces: tuple[ManifestPiece, ...]
    columns: ManifestColumns
    storage_settings: StorageSettings
    survey: ManifestSurvey
    paths: PathRules
    colliding: np.ndarray
    """Sorted numbers of the rows whose plain output paths collide."""
    here: bool = False
    """It is small, and is planned in this process."""

    @property
    def photos(self) -> int:
        """Number of photos."""
        return self.survey.rows

    @property
    def fingerprint(self) -> str:
        """Hash of all rows in order."""
        return self.survey.fingerprint

    @property
    def folders(self) -> frozenset[str]:
        """Local folders below which its photos lie."""
        return self.storage_settings.allowed_folders | self.survey.folders

    def spans(self, shard_size: int = 1) -> list[Span]:
        """Parts of the manifest, each the work of one task."""
        rows, starts = self.survey.rows, self.survey.starts
        return cut_spans(self.pieces, starts, rows, shard_size=shard_size, target_rows=_SPAN_ROWS)


def check_manifest(
    settings: ManifestSettings,
    storage_settings: StorageSettings,
    *,
    suffix: str,
    work_of: WorkOf | None = None,
) -> CheckedManifest:
    """Read the whole manifest and refuse what cannot be planned; writes nothing. For a large one Ray must be running.

    `suffix` is the one of output files, with its dot.

    Raises:
        ManifestError: naming rows and remedy.
        StorageError: the manifest cannot be read.
    """
    pieces = find_pieces(settings, storage_settings)
    here = is_small(pieces, storage_settings)
    surveys = _survey_pieces(pieces, settings.columns, storage_settings, work_of, here=here)
    try:
        merged = merge_surveys(pieces, surveys)
    except ManifestError as error:
        starts = (0, *accumulate(survey.rows for survey in surveys))
        more = repeated_ids(pieces, starts, settings.columns, storage_settings) if here else []
        raise type(error)("\n".join([str(error), *more])) from None
    checked = CheckedManifest(
        pieces=tuple(pieces),
        columns=settings.columns,
        storage_settings=storage_settings,
        survey=merged,
        paths=PathRules(merged.source_root, suffix),
        colliding=np.empty(0, np.int64),
        here=here,
    )
    repeated = _find_repeated_keys(checked)
    _refuse_duplicate_ids(checked, repeated.filter(pc.equal(repeated["kind"], ID_KEY)))
    paths = repeated.filter(pc.equal(repeated["kind"], PATH_KEY))
    return dataclasses.replace(checked, colliding=np.sort(paths["row"].to_numpy()))


def write_plan(checked: CheckedManifest, storage: Storage, *, shard_size: int) -> int:
    """Store the plan's shards in the run's root and return their number; the same manifest gives the same shards.

    The manifest is read again, and must be as it was checked. Shards that are there are overwritten. So the run must
    have been claimed for this manifest before (by its fingerprint in `run.json`), and after a crash in the middle
    this is simply called again.

    Raises:
        ManifestError: the manifest has fewer rows than when it was checked.
        StorageError: the manifest could not be read, or a shard not be stored.
    """
    layout = ShardLayout(shard_size, checked.survey.extra, checked.paths, checked.survey.plan_key)
    spans = checked.spans(shard_size)

    def write(index: int) -> Iterator[dict[str, Any]]:
        span = spans[index]
        shards = cut_shards(_planned(span, checked, layout), shard_size)
        yield {"shards": write_shards(span.first // shard_size, shards, storage, checked.paths.source_root)}

    shards = sum(row["shards"] for row in rows_of_parts(len(spans), write, here=checked.here))
    _logger.info("planned %d photos in %d shards", checked.photos, shards)
    return shards


def number_of_shards(photos: int, shard_size: int) -> int:
    """Shards that so many photos make."""
    return -(-photos // shard_size)


def plan_is_complete(folder: RunFolder, shards: int) -> bool:
    """True if all shards of the plan are stored."""
    return sum(number < shards for number in folder.planned()) == shards


def _survey_pieces(
    pieces: Sequence[ManifestPiece],
    columns: ManifestColumns,
    storage_settings: StorageSettings,
    work_of: WorkOf | None,
    *,
    here: bool,
) -> list[PieceSurvey]:
    def survey(index: int) -> Iterator[dict[str, Any]]:
        # Errors come back as values, so that those of all files can be shown at once, and without Ray's own text.
        try:
            result = survey_piece(pieces[index], columns, storage_settings, work_of)
        except PasdBatchError as error:
            result = error
        yield {"piece": index, "survey": pickle.dumps(result)}

    rows = sorted(rows_of_parts(len(pieces), survey, here=here), key=lambda row: row["piece"])
    results = [pickle.loads(row["survey"]) for row in rows]
    errors = [result for result in results if isinstance(result, ManifestError)]
    for result in results:
        if isinstance(result, StorageError):
            raise result
    if errors:
        more = [f"and {len(errors) - MOST_PROBLEMS_SHOWN:,} more files"] if len(errors) > MOST_PROBLEMS_SHOWN else []
        raise ManifestError("\n".join([*map(str, errors[:MOST_PROBLEMS_SHOWN]), *more]))
    return results


def _planned(span: Span, checked: CheckedManifest, layout: ShardLayout) -> Iterator[pa.Table]:
    first = span.first
    for table in read_span(span, checked.columns, checked.storage_settings):
        yield planned_rows(first, table, checked.colliding, layout)
        first += table.num_rows


def _find_repeated_keys(checked: CheckedManifest) -> pa.Table:
    """All rows whose id or plain path another row has too, found by a shuffle on the keys' hashes."""
    spans = checked.spans()
    buckets = -(-checked.photos // _ROWS_PER_BUCKET)

    def keys(index: int) -> Iterator[pa.Table]:
        first = spans[index].first
        for table in read_span(spans[index], checked.columns, checked.storage_settings):
            cast_extra(table, checked.survey.extra)  # what fails here must not fail when shards are written
            rows = key_table(first, table, checked.paths)
            bucket = np.mod(rows["low"].to_numpy(), buckets).astype(np.int32)
            yield rows.append_column("bucket", pa.array(bucket))
            first += table.num_rows

    if checked.here:
        return repeated_keys(pa.concat_tables(table for index in range(len(spans)) for table in keys(index)))
    every = dataset_of(len(spans), keys)
    if checked.photos <= _ROWS_IN_ONE_BLOCK:
        found = every.repartition(1).map_batches(repeated_keys, batch_size=None, batch_format="pyarrow")
    else:
        groups = every.groupby("bucket", num_partitions=buckets)
        found = groups.map_groups(repeated_keys, batch_format="pyarrow")
    with own_errors():
        tables = list(found.iter_batches(batch_size=None, batch_format="pyarrow"))
    empty = pa.table({"kind": pa.array([], pa.int8()), "row": pa.array([], pa.int64())})
    return pa.concat_tables([empty, *(table.select(empty.column_names) for table in tables)])


def _refuse_duplicate_ids(checked: CheckedManifest, repeated: pa.Table) -> None:
    if repeated.num_rows == 0:
        return
    shown = set(repeated["row"].to_pylist()[:MOST_PROBLEMS_SHOWN])
    spans = [span for span in checked.spans() if any(span.first <= row < span.stop for row in shown)]

    def fetch(index: int) -> Iterator[dict[str, Any]]:
        first = spans[index].first
        for table in read_span(spans[index], checked.columns, checked.storage_settings):
            for row in sorted(shown & set(range(first, first + table.num_rows))):
                one = table.slice(row - first, 1)
                given = "photo_id" in table.column_names
                yield {"row": row, "given": given, "id": photo_ids(one)[0], "uri": one["uri"][0].as_py()}
            first += table.num_rows

    lines = [
        f"  {_name_of(checked, row['row'])}: "
        + (f"id {row['id']!r}" if row["given"] else f"URI {redact_uri(row['uri'])!r}")
        for row in sorted(rows_of_parts(len(spans), fetch, here=checked.here), key=lambda row: (row["id"], row["row"]))
    ]
    more = [f"  and {repeated.num_rows - len(lines):,} more"] if repeated.num_rows > len(lines) else []
    raise ManifestError(
        "\n".join(
            [
                f"{repeated.num_rows:,} rows share their photo's id with another row:",
                *lines,
                *more,
                "give every row an id of its own, or remove all but one; without an id column the URI is the id",
            ]
        )
    )


def _name_of(checked: CheckedManifest, row: int) -> str:
    starts = checked.survey.starts
    piece = int(np.searchsorted(starts, row, side="right")) - 1
    return row_name(checked.pieces, starts, piece, row - starts[piece])
