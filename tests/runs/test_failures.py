"""Manifests of what failed in a run."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
from manifests import ACCESS, rows_of, survey
from result_rows import row as result_row

from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.manifests.pieces import is_image_source
from pasd_batch.records import PLAN_SCHEMA, RESULT_SCHEMA
from pasd_batch.runs.failures import failures_of
from pasd_batch.runs.kept_list import draft_list, keep_list
from pasd_batch.runs.layout import RUN_FILE, plan_path, shard_file_name
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.sealing import has_sealed, sealed
from pasd_batch.storage.storage import Storage


def test_failures_become_a_manifest_with_the_planned_rows(tmp_path):
    folder = RunFolder.open(str(tmp_path / "run"), ACCESS)
    folder.storage.write(RUN_FILE, b"{}")
    schema = pa.schema([*PLAN_SCHEMA, pa.field("id", pa.int64()), pa.field("year", pa.int64())])
    for shard in range(3):
        rows = [
            {"photo_id": f"p{shard}{n}", "uri": f"/x/{shard}/{n}.jpg?token=t", "output_path": "o", "year": n, "id": 5}
            for n in range(4)
        ]
        table = pa.Table.from_pylist(rows, schema=schema.with_metadata({"pasd_batch.source_root": "/x/"}))
        (tmp_path / "run/plan").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, tmp_path / "run/plan" / shard_file_name(shard))
        done = [
            result_row(n, photo_id=row["photo_id"], status="failed" if shard == 1 and n % 2 else "ok")
            for n, row in enumerate(rows)
        ]
        folder.commit(shard, done, RESULT_SCHEMA)
    target = str(tmp_path / "again.parquet")
    assert failures_of(str(tmp_path / "run"), target, ACCESS).photos == 2
    rows = rows_of(target)
    assert [row["photo_id"] for row in rows] == ["p11", "p13"]
    assert [row["uri"] for row in rows] == ["/x/1/1.jpg?token=t", "/x/1/3.jpg?token=t"]
    assert [(row["year"], row["manifest_id"]) for row in rows] == [(1, 5), (3, 5)]
    assert survey(ManifestSettings(path=target)).source_root == "/x/"
    columns = ManifestColumns(uri="photo", id="nr", prompt="caption")
    for name in ManifestFormat:
        settings = ManifestSettings(path=target, format=name, columns=columns)
        assert not is_image_source(settings, ACCESS)
        assert survey(settings) == survey(ManifestSettings(path=target))


def test_a_run_over_a_prefix_needs_no_more_than_the_list_that_it_keeps(s3, tmp_path):
    prefix, uris = "s3://archive/failing", [f"s3://archive/failing/a?x={number}.jpg" for number in range(3)]
    photos, run = Storage.open(prefix), Storage.open(str(tmp_path / "run"))
    for uri in uris:
        photos.write(uri.removeprefix(f"{prefix}/"), b"photo")
    with draft_list(prefix, run, ACCESS) as draft:
        listed = survey(draft.manifest)
        keep_list(draft, run, listed.fingerprint)
    run_file = {"settings": {"manifest": {"path": prefix}}, "manifest_fingerprint": listed.fingerprint}
    run.write(RUN_FILE, json.dumps(run_file).encode())
    planned = [{"photo_id": uri[-5:], "uri": uri, "output_path": "o"} for uri in uris]
    schema = PLAN_SCHEMA.with_metadata({"pasd_batch.source_root": f"{prefix}/"})
    plan = sealed(pa.Table.from_pylist(planned, schema=schema), listed.plan_key)
    assert has_sealed(plan)
    with pa.BufferOutputStream() as buffer:
        pq.write_table(plan, buffer)
        run.write(plan_path(0), buffer.getvalue().to_pybytes())
    done = [result_row(n, photo_id=row["photo_id"], status="failed") for n, row in enumerate(planned)]
    RunFolder(run, ACCESS).commit(0, done, RESULT_SCHEMA)
    photos.delete("a?x=0.jpg")  # the list counts, whatever has become of the photos
    target = str(tmp_path / "again.parquet")
    assert failures_of(str(tmp_path / "run"), target, ACCESS).photos == 3
    assert [row["uri"] for row in rows_of(target)] == uris
    assert survey(ManifestSettings(path=target)).source_root == f"{prefix}/"
    assert not is_image_source(ManifestSettings(path=target, format=ManifestFormat.IMAGES), ACCESS)


def test_no_failures_make_no_manifest(tmp_path):
    Storage.open(str(tmp_path / "run")).write(RUN_FILE, b"{}")
    assert failures_of(str(tmp_path / "run"), str(tmp_path / "m.parquet"), ACCESS).photos == 0
    assert not (tmp_path / "m.parquet").exists()
