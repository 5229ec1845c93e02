"""Time and memory of what an audit does when all photos are measured, over a large dataset.

    python benchmarks/duplicates.py                     # 1 million photos in shards of 1,000
    python benchmarks/duplicates.py --photos 100000

Rows are made up: hashes at random, one photo in ten with up to four bits of another one's, one in twenty with its
pixels. Prints lines of a Markdown table. Memory is the peak resident set of this process, and of the largest of Ray's
workers, which Linux gives.
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.audit.dataset import find_duplicates
from pasd_batch.audit.writing import write_audit
from pasd_batch.cluster.session import ray_session
from pasd_batch.config.audit import AuditSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import AUDIT_TYPE, result_schema
from pasd_batch.runs.layout import AUDIT_FILE, RESULTS_FOLDER, result_path
from pasd_batch.runs.run_file import RunFile, claim_run, describe_run
from pasd_batch.runs.run_folder import RunFolder

_NEAR, _EXACT = 10, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--shard-size", type=int, default=1_000)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, local disk\n")
    print("| photos | step | seconds | peak of this process (MiB) | of the largest worker (MiB) |")
    print("|---:|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, ray_session(None):
        run, about = _write_run(Path(folder, "run"), options.photos, options.shard_size)
        groups = _measured(options.photos, "duplicates", lambda: find_duplicates(run, about, AuditSettings()))
        _measured(options.photos, "all of `audit.parquet`", lambda: write_audit(run, about, AuditSettings()))
        megabytes = Path(folder, "run", AUDIT_FILE).stat().st_size / 1e6
    copies = options.photos // _NEAR + options.photos // _EXACT
    others = int((groups.kept != groups.numbers).sum())
    print(f"\n{copies:,} copies made, {others:,} found; audit.parquet has {megabytes:.0f} MB")


def _measured(photos: int, step: str, work: Callable[[], Any]) -> Any:
    began = time.monotonic()
    done = work()
    seconds = time.monotonic() - began
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {photos:,} | {step} | {seconds:.0f} | {own:.0f} | {max(_peaks_of_workers(), default=0):.0f} |", flush=True
    )
    return done


def _peaks_of_workers() -> Iterator[float]:
    """Peak resident sets in MiB of the processes in which Ray runs tasks."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(b"ray::"):
                lines = (path / "status").read_text().splitlines()
                yield next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
        except (OSError, StopIteration):
            continue


def _write_run(root: Path, photos: int, shard_size: int) -> tuple[RunFolder, RunFile]:
    values = {"mode": "audit", "manifest": {"path": "photos.parquet"}, "output": {"root": str(root)}}
    settings = RunSettings.parse({**values, "shard_size": shard_size})
    folder = RunFolder.open(str(root), StorageSettings())
    about = describe_run(settings, manifest_fingerprint="m", photos=photos, model_fingerprint=None, score_columns=())
    claim_run(folder.storage, about)
    (root / RESULTS_FOLDER).mkdir()
    rng = np.random.default_rng(0)
    seen, pixels = _hashes(photos, rng)
    for shard in range(about.shards):
        numbers = np.arange(shard * shard_size, min(photos, (shard + 1) * shard_size))
        pq.write_table(_rows(numbers, shard, seen[numbers], pixels[numbers], rng), root / result_path(shard))
    return folder, about


def _hashes(photos: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes, and numbers that are the same for photos of the same pixels."""
    seen, pixels = rng.integers(0, 2**64, photos, dtype=np.uint64), np.arange(photos)
    copies = rng.permutation(photos)
    near, exact = copies[: photos // _NEAR], copies[photos // _NEAR : photos // _NEAR + photos // _EXACT]
    originals = copies[photos // _NEAR + photos // _EXACT :]
    for group in (near, exact):
        sources = rng.choice(originals, len(group), replace=False)
        seen[group] = seen[sources]
        if group is exact:
            pixels[group] = pixels[sources]
    for _ in range(4):
        seen[near] ^= np.uint64(1) << rng.integers(0, 64, len(near), dtype=np.uint64)
    return seen, pixels


def _rows(numbers: np.ndarray, shard: int, seen: np.ndarray, pixels: np.ndarray, rng: np.random.Generator) -> pa.Table:
    schema, count = result_schema([], [], with_images=False, with_audit=True), len(numbers)
    names = [f"scans/{number // 1000:05d}/{number:09d}.jpg" for number in numbers.tolist()]
    known: dict[str, Any] = {
        "photo_id": names,
        "uri": [f"s3://archive/{name}" for name in names],
        "status": ["ok"] * count,
        "warnings": [[]] * count,
        "input_format": ["JPEG"] * count,
        "input_bytes": [2_000_000] * count,
        "input_width": [1024] * count,
        "input_height": [768] * count,
        "noise_sigma": rng.exponential(3.0, count),
        "blur_sigma": rng.exponential(1.0, count),
        "jpeg_strength": rng.exponential(0.3, count),
        "shard": [shard] * count,
        "finished_at": [datetime(2026, 1, 1, tzinfo=UTC)] * count,
        **{name: ["x"] * count for name in ("config_fingerprint", "manifest_fingerprint", "software", "worker")},
        "attempt": [0] * count,
        "isolated": [False] * count,
        "audit": _measures(count, seen, pixels, rng),
    }
    arrays = [
        pa.array(known[field.name], field.type) if field.name in known else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _measures(count: int, seen: np.ndarray, pixels: np.ndarray, rng: np.random.Generator) -> pa.Array:
    known: dict[str, Any] = {
        "colors": ["profile"] * count,
        "grayscale": [False] * count,
        "pixel_hash": [f"{number:064x}"[::-1] for number in pixels.tolist()],
        "perceptual_hash": [f"{number:016x}" for number in seen.tolist()],
    }
    arrays = []
    for field in AUDIT_TYPE:
        drawn = rng.random(count) if pa.types.is_floating(field.type) else None
        values = known.get(field.name, drawn)
        arrays.append(pa.nulls(count, field.type) if values is None else pa.array(values, field.type))
    return pa.StructArray.from_arrays(arrays, fields=list(AUDIT_TYPE))


if __name__ == "__main__":
    main()
