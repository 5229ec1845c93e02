"""Manifests that are made: of photos in folders, globs and prefixes, and of what failed in a run."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS, make_photos, rows_of, survey
from result_rows import row as result_row

from pasd_batch.config.run import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.data.listing import find_files
from pasd_batch.data.manifest import is_image_source
from pasd_batch.data.manifest_errors import ManifestError
from pasd_batch.data.manifest_making import count_photos, failures_of, make_manifest
from pasd_batch.data.results import ResultStore
from pasd_batch.data.run_folder import shard_file_name
from pasd_batch.data.storage import Storage
from pasd_batch.records import PLAN_SCHEMA, RESULT_SCHEMA


def test_a_manifest_is_made_from_a_folder_and_from_a_glob(tmp_path):
    make_photos(tmp_path / "photos", ["a.jpg", "1920/b.PNG", "1920/c.tif"])
    (tmp_path / "photos/notes.txt").write_text("no photo")
    (tmp_path / "photos/1920/broken.jpg").write_bytes(b"broken")
    target = str(tmp_path / "made/manifest.parquet")
    assert make_manifest(str(tmp_path / "photos"), target, ACCESS, measure=True).photos == 4
    rows = {row["photo_id"]: row for row in rows_of(target)}
    assert set(rows) == {"a.jpg", "1920/b.PNG", "1920/c.tif", "1920/broken.jpg"}
    assert rows["1920/b.PNG"]["uri"] == f"{tmp_path}/photos/1920/b.PNG"
    assert (rows["1920/b.PNG"]["width"], rows["1920/b.PNG"]["height"]) == (5, 3)
    assert rows["1920/broken.jpg"]["width"] is None
    assert survey(ManifestSettings(path=target)).source_root == f"{tmp_path}/photos/"

    assert make_manifest(f"{tmp_path}/photos/1920/*.jpg", target, ACCESS).photos == 1
    assert [row["photo_id"] for row in rows_of(target)] == ["broken.jpg"]
    photos, left_out = count_photos(f"{tmp_path}/photos", ACCESS)
    assert (photos, left_out.lines()) == (4, ["left out by ending: 1 .txt"])
    with pytest.raises(ManifestError, match="no photos there"):
        make_manifest(f"{tmp_path}/photos/*.webp", target, ACCESS)


def test_a_manifest_is_made_from_an_s3_prefix(s3, tmp_path):
    make_photos(tmp_path, ["a.jpg", "x/b.png"])
    for name in ["a.jpg", "x/b.png"]:
        Storage.open("s3://archive/photos").write(name, (tmp_path / name).read_bytes())
    target = "s3://archive/manifest.parquet"
    assert make_manifest("s3://archive/photos", target, ACCESS, measure=True).photos == 2
    rows = rows_of(target)
    assert {(row["uri"], row["width"]) for row in rows} == {
        ("s3://archive/photos/a.jpg", 4),
        ("s3://archive/photos/x/b.png", 5),
    }
    assert list(find_files("s3://archive", ACCESS).uris)


def test_failures_become_a_manifest_with_the_planned_rows(tmp_path):
    storage = Storage.open(str(tmp_path / "run"))
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
        ResultStore(storage).commit(shard, done, RESULT_SCHEMA)
    target = str(tmp_path / "again.parquet")
    assert failures_of(str(tmp_path / "run"), target, ACCESS) == 2
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


def test_settings_do_matter_for_parquet_that_no_run_wrote(tmp_path):
    pq.write_table(pa.table({"photo": ["/a.jpg"]}), tmp_path / "m.parquet")
    columns = ManifestColumns(uri="photo")
    assert survey(ManifestSettings(path=str(tmp_path / "m.parquet"), columns=columns)).rows == 1
    (tmp_path / "text.parquet").write_text("photo\n/a.jpg\n")
    settings = ManifestSettings(path=str(tmp_path / "text.parquet"), format=ManifestFormat.CSV, columns=columns)
    assert survey(settings).rows == 1


def test_no_failures_make_no_manifest(tmp_path):
    assert failures_of(str(tmp_path / "run"), str(tmp_path / "m.parquet"), ACCESS) == 0
    assert not (tmp_path / "m.parquet").exists()
