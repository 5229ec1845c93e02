"""Time and memory of the report page over a large run.

    python benchmarks/report.py                   # 1 million rows in shards of 1,000
    python benchmarks/report.py --rows 100000 --shard-size 32

Rows are made up: six scores, one photo in a hundred failed, no pictures. Prints a line of a Markdown table. Memory is
the process's peak resident set, which Linux gives.
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import RESULT_SCHEMA, ScoreColumn, result_schema
from pasd_batch.report.run_report import write_report
from pasd_batch.runs.layout import REPORT_FOLDER
from pasd_batch.runs.run_file import claim_run, describe_run
from pasd_batch.runs.run_folder import RunFolder

SCORES = tuple(
    ScoreColumn(name, higher)
    for name, higher in {
        "piqe_input": False,
        "piqe_before": False,
        "piqe_after": False,
        "fidelity_psnr": True,
        "fidelity_ssim": True,
        "fidelity_color_difference": False,
    }.items()
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shard-size", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        _write_run(run, options.rows, options.shard_size)
        began, used = time.monotonic(), time.process_time()
        write_report(str(run), StorageSettings(), photos=0)
        seconds, processor = time.monotonic() - began, time.process_time() - used
        pages = [path.stat().st_size for path in (run / REPORT_FOLDER).rglob("*") if path.is_file()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, local disk\n")
    print("| rows | shards | seconds | of the processor | peak memory (MiB) | files | MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {options.rows:,} | {-(-options.rows // options.shard_size):,} | {seconds:.0f} | {processor:.0f} "
        f"| {peak:.0f} | {len(pages)} | {sum(pages) / 1e6:.0f} |"
    )


def _write_run(run: Path, rows: int, shard_size: int) -> None:
    folder = RunFolder.open(str(run), StorageSettings())
    schema = result_schema([], SCORES, with_images=False)
    settings = RunSettings.parse({"manifest": {"path": "photos.parquet"}, "output": {"root": str(run)}})
    about = describe_run(settings, manifest_fingerprint="m", photos=rows, model_fingerprint="w", score_columns=SCORES)
    claim_run(folder.storage, about)
    rng = np.random.default_rng(0)
    for shard in range(-(-rows // shard_size)):
        numbers = range(shard * shard_size, min(rows, (shard + 1) * shard_size))
        folder.commit(shard, [_row(number, shard, rng) for number in numbers], schema)


def _row(number: int, shard: int, rng: np.random.Generator) -> dict[str, Any]:
    failed = number % 100 == 99
    values = dict.fromkeys(RESULT_SCHEMA.names) | {
        "photo_id": f"{number:032x}",
        "uri": f"s3://archive/scans/{number // 1000:05d}/{number:09d}.jpg",
        "status": "failed" if failed else "ok",
        "error_stage": "decode" if failed else None,
        "error_type": "CorruptPhoto" if failed else None,
        "error_message": "the file is cut short; fetch it again" if failed else None,
        "warnings": [],
        "output_path": None if failed else f"scans/{number // 1000:05d}/{number:09d}.png",
        "input_width": 1024,
        "input_height": 768,
        "tiles": 6,
        "config_fingerprint": "c",
        "manifest_fingerprint": "m",
        "software": "pasd_batch",
        "shard": shard,
        "attempt": 0,
        "worker": "worker",
        "isolated": False,
        "finished_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number / 10),
        "seconds": {"fetch": 0.1, "decode": 0.05, "restore": 1.0 + float(rng.random())},
    }
    if not failed:
        values["scores"] = {column.name: float(rng.random() * 100) for column in SCORES}
    return values


if __name__ == "__main__":
    main()
