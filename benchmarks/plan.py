"""How fast a manifest is planned, and how much memory the driver needs for it.

    python benchmarks/plan.py                     # 1 million rows, Parquet and CSV
    python benchmarks/plan.py --rows 10000000 --formats parquet --shard-size 256

Rows are made up: URIs in folders of 1000 with a prompt and two further columns; one photo in fifty collides with
another (`a.jpg` and `a.png`). Prints a Markdown table. Memory is the driver's peak resident set, which Linux gives.
"""

import argparse
import logging
import multiprocessing
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

_BATCH = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", choices=["parquet", "csv"], default=["parquet", "csv"])
    parser.add_argument("--shard-size", type=int, default=32)
    options = parser.parse_args()
    print(f"{_hardware()}; local disk; shards of {options.shard_size} photos\n")
    print("| manifest | rows | check (s) | write (s) | rows/s | shards | driver before (MB) | driver peak (MB) |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for kind in options.formats:
        # A process of its own, so that the peak is this measurement's alone.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(_measure, (kind, options.rows, options.shard_size)), flush=True)


def _measure(kind: str, rows: int, shard_size: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, f"manifest.{kind}")
        _write_manifest(manifest, rows)
        numbers = _plan(manifest, Path(folder, "run"), shard_size)
    rate = rows / (numbers["check"] + numbers["write"])
    return (
        f"| {kind} | {rows:,} | {numbers['check']:.1f} | {numbers['write']:.1f} | {rate:,.0f} "
        f"| {numbers['shards']:,} | {numbers['before']:.0f} | {numbers['peak']:.0f} |"
    )


def _plan(manifest: Path, run: Path, shard_size: int) -> dict[str, Any]:
    import ray
    import ray.data

    from pasd_batch.batch.planning.plan import check_manifest, write_plan
    from pasd_batch.config.manifest import ManifestSettings
    from pasd_batch.config.storage import StorageSettings
    from pasd_batch.storage.storage import Storage

    ray.init(address="local", include_dashboard=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    before = _peak_megabytes()
    start = time.perf_counter()
    checked = check_manifest(ManifestSettings(path=str(manifest)), StorageSettings(), suffix=".png")
    middle = time.perf_counter()
    shards = write_plan(checked, Storage.open(str(run)), shard_size=shard_size)
    end = time.perf_counter()
    ray.shutdown()
    return {
        "check": middle - start,
        "write": end - middle,
        "shards": shards,
        "before": before,
        "peak": _peak_megabytes(),
    }


def _write_manifest(path: Path, rows: int) -> None:
    schema = pa.schema([("uri", pa.string()), ("prompt", pa.string()), ("year", pa.int32()), ("source", pa.string())])
    kind = pq.ParquetWriter if path.suffix == ".parquet" else arrow_csv.CSVWriter
    with kind(path, schema) as writer:
        for start in range(0, rows, _BATCH):
            numbers = range(start, min(start + _BATCH, rows))
            table = pa.table(
                [
                    [_uri(number) for number in numbers],
                    [f"photograph number {number} of the newspaper's archive" for number in numbers],
                    [1880 + number % 120 for number in numbers],
                    ["reading room" if number % 3 else "loan" for number in numbers],
                ],
                schema=schema,
            )
            writer.write_table(table)


def _uri(number: int) -> str:
    named, suffix = (number - 1, "png") if number % 100 == 1 else (number, "jpg")
    return f"s3://newspaper-archive/scans/{number // 1000:06d}/photo-{named:09d}.{suffix}"


def _peak_megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1000
    raise RuntimeError("/proc/self/status has no VmHWM; run this on Linux")


def _hardware() -> str:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores of {name}, {memory:.0f} GiB memory, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
