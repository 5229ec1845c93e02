"""Archives of small photos, good and bad ones, and the plans and specs of runs over them."""

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tiny_models import TINY, TinyScorer, fingerprint

from pasd_batch.batch.planning.checked_manifest import PathRules
from pasd_batch.batch.planning.shards import ShardLayout, cut_shards, encode_plan, planned_rows, write_shards
from pasd_batch.batch.worker.photo_loader import LoadedPhoto
from pasd_batch.batch.worker.rows import RowWriter
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.config.run import RunSettings
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import merge_surveys, survey_piece
from pasd_batch.photos.photo import Photo, PhotoMetadata
from pasd_batch.records import PLAN_SCHEMA, PhotoRecord, Provenance, WorkOrigin, plan_schema
from pasd_batch.runs.layout import PLAN_FOLDER, RESULTS_FOLDER, shard_file_name
from pasd_batch.runs.run_file import claim_run, describe_run
from pasd_batch.runs.run_folder import RunFolder

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


def settings(root, manifest="unused.parquet", /, **changes):
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
    # As if a manifest at the very top named them.
    storage = run_settings.storage.with_folders({os.sep})
    return WorkerSpec(
        settings=run_settings.model_copy(update={"storage": storage}),
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


def state(path, **values):
    """A photo at the beginning of its way."""
    run_spec = spec(settings("/run"))
    return RowWriter(run_spec, WorkOrigin(0, 0, "w")).begin(record(path, **values))


def loaded(number, height=8, width=8):
    """A decoded grey picture, as the model's turn gets it."""
    pixels = np.full((height, width, 3), 0.5, np.float32)
    photo = Photo(pixels, alpha=None, bit_depth=8, grayscale=False, metadata=PhotoMetadata("PNG"))
    return LoadedPhoto(state(f"/{number}.png", row=number), photo)


def plan_table(records, extra):
    """A shard's plan, with the manifest's columns `extra`."""
    rows = [{name: getattr(each, name) for name in PLAN_SCHEMA.names} | each.extra for each in records]
    return pa.Table.from_pylist(rows, schema=plan_schema(extra))


def write_plan(root, records, shard_size=10):
    """The plan of a run at the local folder `root`; returns the number of shards."""
    folder = Path(root, PLAN_FOLDER)
    folder.mkdir(parents=True)
    starts = range(0, len(records), shard_size)
    for shard, start in enumerate(starts):
        table = plan_table(records[start : start + shard_size], [ALBUM])
        (folder / shard_file_name(shard)).write_bytes(encode_plan(table))
    return len(starts)


def begin_run(root, manifest, /, **changes):
    """What a driver does before the work, or before it goes on, without Ray; what workers are told, folder and run."""
    run_settings = settings(root, manifest, **changes)
    access, columns = run_settings.storage, run_settings.manifest.columns
    (piece,) = find_pieces(run_settings.manifest, access)
    survey = merge_surveys([piece], [survey_piece(piece, columns, access)])
    folder = RunFolder.open(str(root), access)
    described = describe_run(
        run_settings,
        manifest_fingerprint=survey.fingerprint,
        photos=survey.rows,
        model_fingerprint=fingerprint(run_settings),
        score_columns=TinyScorer.columns,
    )
    run = claim_run(folder.storage, described)
    layout = ShardLayout(run_settings.shard_size, survey.extra, PathRules(survey.source_root, ".png"), survey.plan_key)
    planned = (planned_rows(0, table, np.empty(0, np.int64), layout) for table in read_rows(piece, columns, access))
    write_shards(0, cut_shards(planned, run_settings.shard_size), folder.storage, survey.source_root)
    told = run_settings.model_copy(update={"storage": access.with_folders(survey.folders)})
    return WorkerSpec(told, run.provenance, TinyScorer.columns, survey.extra, TINY, survey.plan_key), folder, run


def results(root):
    """All committed rows of a local run, by photo id; fails if one is there twice."""
    rows = pq.read_table(Path(root, RESULTS_FOLDER)).to_pylist()
    by_id = {row["photo_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


def without_traces(row):
    """A row without what may differ between two runs of the same photo."""
    traces = ("attempt", "worker", "isolated", "finished_at", "seconds", "worker_seconds", "output_uri", "shard")
    return {name: value for name, value in row.items() if name not in traces}


@dataclass(frozen=True)
class Archive:
    """A manifest and what is known of its photos."""

    manifest: Path
    bad: dict[str, str]
    """Stage in which each bad photo fails, by id."""
    photos: int

    @classmethod
    def small(cls, folder):
        """24 good photos and 6 bad ones in a local folder."""
        photos = {f"in/{number:03d}.png": picture(number) for number in range(24)}
        bad = {f"in/bad/{name}.jpg": data for name, data in BAD.items()}
        store_photos(folder, photos | bad)
        stages = dict.fromkeys(bad, "decode") | {"in/missing.png": "fetch"}
        uris = [*photos, *stages]
        columns = {"uri": uris, "id": uris, "album": [f"album {len(uri) % 3}" for uri in uris]}
        pq.write_table(pa.table(columns), folder / "manifest.parquet")
        return cls(folder / "manifest.parquet", stages, len(uris))

    @classmethod
    def large(cls, manifest, store, base):
        """200 photos, every tenth of them bad: `store(key, data)` puts them where `base` + key is their URI."""
        uris, stages = [], {}
        kinds = [*BAD, "missing", "forbidden"]
        for number in range(200):
            kind = kinds[number // 10 % len(kinds)] if number % 10 == 7 else None
            key = f"{number // 50}/{kind or 'photo'}-{number:03d}.jpg"
            uris.append(f"s3://archive/{key}" if kind == "forbidden" else base + key)
            if kind in BAD:
                store(key, BAD[kind])
            elif kind is None:
                store(key, picture(number, "JPEG"))
            if kind:
                stages[f"photo {number}"] = "decode" if kind in BAD else "fetch"
        ids = [f"photo {number}" for number in range(200)]
        pq.write_table(pa.table({"uri": uris, "id": ids, "album": ["A"] * 200}), manifest)
        return cls(manifest, stages, 200)
