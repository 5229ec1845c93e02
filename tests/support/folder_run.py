"""A run over a folder of photos as a driver plans and a worker does it, without Ray."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from photo_archive import results, settings

from pasd_batch.batch.planning.checked_manifest import PathRules
from pasd_batch.batch.planning.repeated_keys import PATH_KEY, key_table, repeated_keys
from pasd_batch.batch.planning.shards import ShardLayout, planned_rows, write_shards
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.config.manifest import ManifestColumns, ManifestFormat
from pasd_batch.manifests.making import make_manifest
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import merge_surveys, survey_piece
from pasd_batch.runs.run_file import describe_run
from pasd_batch.runs.run_folder import RunFolder


def run_over_folder(folder: Path, root: Path, loaders: ModelLoaders, **changes) -> dict[str, dict]:
    """Restore all photos of a folder into a run at `root`; its rows by photo id."""
    manifest = root / "manifest.parquet"
    chosen = settings(root, manifest, **changes)
    access = chosen.storage.with_folders({str(folder)})
    make_manifest(str(folder), str(manifest), access, pages=chosen.manifest.pages)
    piece = ManifestPiece(str(manifest), ManifestFormat.PARQUET)
    survey = merge_surveys([piece], [survey_piece(piece, ManifestColumns(), access)])
    table = pa.concat_tables(read_rows(piece, ManifestColumns(), access))
    rules = PathRules(survey.source_root, chosen.output.file.format.suffix)
    repeated = repeated_keys(key_table(0, table, rules))
    colliding = np.sort(repeated.filter(pc.equal(repeated["kind"], PATH_KEY))["row"].to_numpy())
    layout = ShardLayout(chosen.shard_size, survey.extra, rules, survey.plan_key)
    storage = RunFolder.open(str(root), access).storage
    write_shards(0, [planned_rows(0, table, colliding, layout)], storage, survey.source_root)
    described = describe_run(
        chosen,
        manifest_fingerprint=survey.fingerprint,
        photos=survey.rows,
        model_fingerprint=loaders.fingerprint(chosen),
        score_columns=(),
        lists_photos=True,
    )
    told = chosen.model_copy(update={"storage": access})
    spec = WorkerSpec(told, described.provenance, (), survey.extra, replace(loaders, scorer=_no_scorer))
    outcome = ShardWorker(spec).run(0)
    assert outcome.state is ShardState.COMMITTED, outcome
    return results(root)


def _no_scorer(_):
    return None
