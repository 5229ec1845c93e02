"""Complete audits with rows of one's own making, for what comes after the measuring."""

import hashlib
from pathlib import Path

import numpy as np
from report_runs import result_row

from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import ScoreColumn, result_schema
from pasd_batch.runs.run_file import claim_run, describe_run
from pasd_batch.runs.run_folder import RunFolder

PLAIN = {
    "brightness_01": 0.1,
    "brightness_05": 0.2,
    "brightness_95": 0.8,
    "brightness_99": 0.9,
    "entropy": 7.5,
    "chroma": 40.0,
    "cast": 1.0,
    "cast_a": 0.0,
    "cast_b": 0.0,
    "screen": 0.1,
    "border_left": 0,
    "border_top": 0,
    "border_right": 0,
    "border_bottom": 0,
    "grayscale": False,
    "bit_depth": 8,
    "transparent": False,
    "colors": "profile",
    "profile": "sRGB",
    "camera": None,
    "taken_at": None,
    "orientation": 1,
}
"""Measures of a photo without any issue."""


def audited_row(number: int, *, failed: bool = False, measures: dict | None = None, **values) -> dict:
    """The row of photo `number`, which has no issue and looks like no other but for what is given."""
    seen = int.from_bytes(np.random.default_rng(number).bytes(8), "big")
    hashes = {"pixel_hash": hashlib.sha256(str(number).encode()).hexdigest(), "perceptual_hash": f"{seen:016x}"}
    row = result_row(number, failed=failed) | dict.fromkeys(
        ("output_path", "output_uri", "output_width", "output_height", "tiles")
    )
    if failed:
        return row | {"audit": None, "input_width": None, "input_height": None, "scores": None} | values
    facts = {"noise_sigma": 1.0, "blur_sigma": 0.6, "jpeg_strength": 0.0, "input_width": 300, "input_height": 200}
    scores = {"piqe": 30.0 + number}
    return row | facts | {"audit": PLAIN | hashes | (measures or {}), "scores": scores} | values


def commit_audit(root: Path, rows: list[dict], *, shard_size: int = 4, extra=()):
    """A run of `mode: audit` whose shards are all committed; its folder and run file."""
    values = {
        "mode": "audit",
        "manifest": {"path": "photos.parquet"},
        "output": {"root": str(root)},
        "shard_size": shard_size,
    }
    scores = (ScoreColumn("piqe", False, "naturalness", "pyiqa 0"),)
    folder = RunFolder.open(str(root), StorageSettings())
    described = describe_run(
        RunSettings.parse(values),
        manifest_fingerprint="m",
        photos=len(rows),
        model_fingerprint=None,
        score_columns=scores,
    )
    run = claim_run(folder.storage, described)
    schema = result_schema(list(extra), scores, with_images=False, with_audit=True)
    for shard in range(run.shards):
        part = rows[shard * shard_size : (shard + 1) * shard_size]
        own = [{name: row.get(name) for name in schema.names} | {"shard": shard} for row in part]
        assert folder.commit(shard, own, schema)
    return folder, run
