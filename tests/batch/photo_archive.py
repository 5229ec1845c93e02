"""Archives of small photos, good and bad ones, and the plans and specs of runs over them."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tiny_models import TINY, TinyScorer, fingerprint

from pasd_batch.batch.spec import WorkerSpec
from pasd_batch.config.run import RunSettings
from pasd_batch.records import PhotoRecord, Provenance, plan_schema, row_from_record

SIZES = ((24, 32), (32, 24), (32, 32), (90, 40))
ALBUM = pa.field("album", pa.string())


def picture(number, kind="PNG"):
    """A small photo's bytes; every number has its own."""
    width, height = SIZES[number % len(SIZES)]
    noise = np.random.default_rng(number).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def huge_png():
    """A valid header that promises 100,000 x 100,000 pixels."""
    data = bytearray(picture(0))
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


BAD = {
    "empty": b"",
    "corrupt": picture(1, "JPEG")[:60] + os.urandom(200),
    "truncated": picture(2)[:200],
    "text": b"<html>Not found</html>",
    "huge": huge_png(),
}
"""Bytes that are no photo, by what is wrong with them; all fail in decoding."""


def settings(root, manifest="unused.parquet", **changes):
    values = {
        "manifest": {"path": str(manifest)},
        "output": {"root": str(root)},
        "workers": {"max": 2},
        "storage": {"retry": {"attempts": 3, "first_delay": 0.01}},
        "shard_size": 10,
    }
    for name, value in changes.items():
        values[name] = values[name] | value if isinstance(values.get(name), dict) else value
    return RunSettings.parse(values)


def spec(run_settings, loaders=TINY):
    return WorkerSpec(
        settings=run_settings,
        provenance=Provenance("config", "manifest", fingerprint(run_settings), "pasd_batch 0"),
        score_columns=TinyScorer.columns,
        extra_columns=(ALBUM,),
        loaders=loaders,
    )


def store_photos(folder, photos):
    """Write files by name."""
    for name, data in photos.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def record(path, name=None, **values):
    name = name or Path(path).name
    return PhotoRecord(name, str(path), f"{Path(name).stem}.png", extra={"album": "A"}, **values)


def write_plan(root, records, shard_size=10):
    """The plan of a run at the local folder `root`; returns the number of shards."""
    folder = Path(root, "plan")
    folder.mkdir(parents=True)
    starts = range(0, len(records), shard_size)
    for shard, start in enumerate(starts):
        rows = [row_from_record(each) for each in records[start : start + shard_size]]
        table = pa.Table.from_pylist(rows, schema=plan_schema([ALBUM]))
        pq.write_table(table, folder / f"shard-{shard:06d}.parquet")
    return len(starts)


def results(root):
    """All committed rows of a local run, by photo id; fails if one is there twice."""
    rows = pq.read_table(Path(root, "results")).to_pylist()
    by_id = {row["photo_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


def without_traces(row):
    """A row without what may differ between two runs of the same photo."""
    traces = ("attempt", "worker", "isolated", "finished_at", "seconds", "output_uri", "shard")
    return {name: value for name, value in row.items() if name not in traces}
