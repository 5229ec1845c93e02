"""Runs with rows of one's own making, for reports."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import PLAN_SCHEMA, RESULT_SCHEMA, ScoreColumn, result_schema
from pasd_batch.runs.layout import image_path, plan_path
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder

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


def stored_run(
    root: Path, rows: Sequence[Mapping[str, Any]], *, colour: tuple[int, int, int] = (0, 0, 255), **about: Any
) -> RunFolder:
    """A run of two shards over photos of 30 x 20 pixels, plain red ones beside it; its results have one colour."""
    folder = RunFolder.open(str(root), StorageSettings())
    folder.storage.write("run.json", json.dumps(asdict(run_file(len(rows), **{"shards": 2, **about}))).encode())
    schema = result_schema([], SCORES, with_images=False)
    (root / "plan").mkdir()
    half = len(rows) // 2
    for shard, part in enumerate((rows[:half], rows[half:])):
        folder.commit(
            shard, [{name: row.get(name) for name in schema.names} | {"shard": shard} for row in part], schema
        )
        plan = [
            {name: row.get(name) for name in PLAN_SCHEMA.names}
            | {"uri": _source(root, row), "output_path": row["output_path"] or ""}
            for row in part
        ]
        pq.write_table(pa.Table.from_pylist(plan, schema=PLAN_SCHEMA), root / plan_path(shard))
        for row in part:
            if row["output_path"]:
                folder.storage.write(image_path(row["output_path"]), _picture(colour, (60, 40)))
    return folder


def _source(root: Path, row: Mapping[str, Any]) -> str:
    path = root.parent / Path(row["uri"]).with_suffix(".png").name
    path.write_bytes(_picture((255, 0, 0), (30, 20)))
    return str(path)


def _picture(colour: tuple[int, int, int], size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()
