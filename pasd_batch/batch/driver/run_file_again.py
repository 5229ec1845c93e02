"""A lost or damaged `run.json` made again from the configuration, the committed rows and the plan.

Every row tells the fingerprints of configuration, manifest and model, so that a configuration that is not the run's
is found out.
"""

import json
from dataclasses import asdict, replace

import pyarrow as pa

from pasd_batch.batch.driver.repair import set_aside
from pasd_batch.config.base import ConfigError
from pasd_batch.config.run import RunSettings
from pasd_batch.records import SCORE_METADATA_KEY, ScoreColumn
from pasd_batch.runs.damage import RunDamaged, damaged, parsing
from pasd_batch.runs.layout import RUN_FILE, result_path
from pasd_batch.runs.run_file import RunFile, describe_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import NotFound

_TELLING = ["config_fingerprint", "manifest_fingerprint", "model_fingerprint", "software", "scores"]


def write_run_file_again(folder: RunFolder, settings: RunSettings) -> RunFile:
    """Put `run.json` in the place of the damaged one, which is set aside; it says that the run begins now.

    Raises:
        RunDamaged: no result file, or not the end of the plan, can be read.
        ConfigError: `settings` are not those of the run.
        StorageError: the run cannot be read or written.
    """
    row, scores = _first_row(folder)
    photos = _planned_photos(folder, settings.shard_size)
    for lists_photos in (False, True):
        run = describe_run(
            settings,
            manifest_fingerprint=row["manifest_fingerprint"],
            photos=photos,
            model_fingerprint=row["model_fingerprint"],
            score_columns=scores,
            lists_photos=lists_photos,
        )
        if run.config_fingerprint == row["config_fingerprint"]:
            software = run.software | {"pasd-batch": row["software"].removeprefix("pasd_batch ")}
            run = replace(run, software=software)
            set_aside(folder.storage, RUN_FILE)
            folder.storage.create(RUN_FILE, json.dumps(asdict(run), indent=2, sort_keys=True).encode())
            return run
    raise ConfigError(
        f"{redact_uri(folder.storage.uri())}: its rows were made with the configuration {row['config_fingerprint']}, "
        f"and this one is {run.config_fingerprint}; give the one that began the run, with the same overrides"
    )


def _first_row(folder: RunFolder) -> tuple[dict[str, str], tuple[ScoreColumn, ...]]:
    for shard in folder.committed():
        try:
            table = next(folder.shard_tables(shard, _TELLING))
            with parsing(folder.storage, result_path(shard)):
                (row,) = table.slice(0, 1).to_pylist()
                return row, _score_columns(table.schema)
        except RunDamaged:
            continue
    raise damaged(folder.storage, RUN_FILE, "cannot be made again, as no result file can be read")


def _score_columns(schema: pa.Schema) -> tuple[ScoreColumn, ...]:
    if "scores" not in schema.names:
        return ()
    meanings = json.loads((schema.metadata or {})[SCORE_METADATA_KEY])
    return tuple(ScoreColumn(column.name, **meanings[column.name]) for column in schema.field("scores").type)


def _planned_photos(folder: RunFolder, shard_size: int) -> int:
    """All photos of the run, from the last of its shards, planned or done."""
    last = max([*folder.planned(), *folder.committed()])
    try:
        rows = folder.plan(last).num_rows
    except (NotFound, RunDamaged):
        rows = folder.shard_rows(last, ["photo_id"]).num_rows
    return last * shard_size + rows
