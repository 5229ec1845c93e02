"""Runs with rows of one's own making, for reports."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pasd_batch.records import RESULT_SCHEMA, ScoreColumn, result_schema
from pasd_batch.runs.run_file import RunFile

SCORES = (
    ScoreColumn("piqe_input", False, "piqe of the input as it is", "pyiqa 0"),
    ScoreColumn("piqe_before", False, "piqe of the input enlarged", "pyiqa 0"),
    ScoreColumn("piqe_after", False, "piqe of the result", "pyiqa 0"),
    ScoreColumn("fidelity_psnr", True, "PSNR against the input", "pasd_batch"),
)
BEGUN = datetime(2026, 1, 2, 3, tzinfo=UTC)


def run_file(photos: int, **values: Any) -> RunFile:
    """The run file of a run of `photos` photos."""
    return RunFile(
        **{
            "config": {"mode": "restore", "restoration": {"sampling": {"steps": 20}}},
            "config_fingerprint": "c" * 32,
            "manifest": "photos.parquet",
            "manifest_fingerprint": "m" * 32,
            "model_fingerprint": "w" * 32,
            "photos": photos,
            "shards": 1,
            "score_columns": SCORES,
            "software": {"pasd-batch": "0.1.0", "python": "3.11"},
            "created_at": BEGUN.isoformat(),
        }
        | values
    )


def result_row(number: int, *, failed: bool = False, **values: Any) -> dict[str, Any]:
    """The row of photo `number`: its PIQE before is 80, after 40 + number % 60, its fidelity 30 + number % 7."""
    row = dict.fromkeys(RESULT_SCHEMA.names) | {
        "photo_id": f"photo{number}",
        "uri": f"/archive/{number}.jpg",
        "status": "failed" if failed else "ok",
        "error_stage": "decode" if failed else None,
        "error_type": "CorruptPhoto" if failed else None,
        "error_message": "the file is broken; fetch it again" if failed else None,
        "warnings": [],
        "config_fingerprint": "c",
        "manifest_fingerprint": "m",
        "software": "s",
        "shard": 0,
        "attempt": 0,
        "worker": "w",
        "isolated": False,
        "finished_at": BEGUN + timedelta(seconds=number),
        "seconds": {"fetch": 0.5, "restore": 1.0 + number % 5},
        "input_width": 30,
        "input_height": 20,
    }
    if not failed:
        row |= {"output_path": f"{number}.png", "output_uri": "x", "tiles": 1, "output_width": 60, "output_height": 40}
        row["scores"] = {
            "piqe_input": 50.0,
            "piqe_before": 80.0,
            "piqe_after": 40.0 + number % 60,
            "fidelity_psnr": 30.0 + number % 7,
        }
    return row | values


def result_table(rows: Iterable[Mapping[str, Any]], *, scores: Iterable[ScoreColumn] = SCORES) -> pa.Table:
    """Rows as a shard of a run has them."""
    schema = result_schema([], tuple(scores), with_images=False)
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
