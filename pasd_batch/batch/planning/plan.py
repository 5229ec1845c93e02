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
import pyarrow.compute as pc

from pasd_batch.batch.planning.checked_manifest import CheckedManifest, PathRules
from pasd_batch.batch.planning.repeated_keys import ID_KEY, PATH_KEY, find_repeated_keys, refuse_duplicate_ids
from pasd_batch.batch.planning.shards import ShardLayout, cut_shards, planned_rows, write_shards
from pasd_batch.batch.planning.small_manifests import is_small, repeated_ids
from pasd_batch.cluster.datasets import rows_of_parts
from pasd_batch.config.manifest import ManifestColumns, ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import ManifestPiece, find_pieces
from pasd_batch.manifests.survey import (
    MOST_PROBLEMS_SHOWN,
    PieceSurvey,
    merge_surveys,
    survey_piece,
)
from pasd_batch.manifests.workload import WorkOf
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage, StorageError

_logger = logging.getLogger(__name__)


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
    repeated = find_repeated_keys(checked)
    refuse_duplicate_ids(checked, repeated.filter(pc.equal(repeated["kind"], ID_KEY)))
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
        rows = (planned_rows(first, table, checked.colliding, layout) for first, table in checked.tables(span))
        shards = cut_shards(rows, shard_size)
        yield {"shards": write_shards(span.first // shard_size, shards, storage, checked.paths.source_root)}

    shards = sum(row["shards"] for row in rows_of_parts(len(spans), write, here=checked.here))
    _logger.info("planned %d photos in %d shards", checked.photos, shards)
    return shards


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
