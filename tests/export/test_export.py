"""Exports of a run, read back by their formats' libraries; broken off they go on, and nothing is there twice."""

import io
import json
import os

import killed
import numpy as np
import pandas as pd
import pytest
from export_readers import READERS, read_huggingface, read_iceberg, read_lance, read_webdataset
from PIL import Image
from tiny_run import PHOTOS, TinyRun

from pasd_batch.cli import main
from pasd_batch.config.storage import StorageSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.export.formats import ExportFailed, ExportFormat, require_package
from pasd_batch.export.run_export import export_run
from pasd_batch.export.run_rows import RunRows
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.storage.partial_files import is_partial

RESTORED = PHOTOS - 1
SETTINGS = StorageSettings()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return TinyRun(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    return TinyRun(tmp_path_factory.mktemp("other"), images="parquet")


def export(run, to, target, **options):
    return export_run(str(run.root), ExportFormat(to), str(target), SETTINGS, **options).rows


def stored_pixels(run, row):
    return np.asarray(Image.open(io.BytesIO(run.files[row["photo_id"]])))


OF_PHOTOS = ("webdataset", "huggingface")


@pytest.mark.parametrize("to", READERS)
def test_every_row_is_there_once_when_its_own_library_reads_it(run, tmp_path, to):
    target = tmp_path / "out"
    expected = [row for row in run.rows if to not in OF_PHOTOS or row["status"] == "ok"]
    assert export(run, to, target) == len(expected)
    rows = READERS[to](target)
    if to in ("delta", "iceberg"):  # these have no order
        rows.sort(key=lambda row: row["photo_id"])
    assert [row["photo_id"] for row in rows] == [row["photo_id"] for row in expected]
    for row, before in zip(rows, expected, strict=True):
        assert row["output_sha256"] == before["output_sha256"] or (to == "csv" and pd.isna(row["output_sha256"]))
        scores = json.loads(row["scores"]) if to == "csv" and not pd.isna(row["scores"]) else row["scores"]
        assert scores == before["scores"] or (to == "csv" and before["scores"] is None)


def test_the_hugging_face_form_opens_as_images(run, tmp_path):
    export(run, "huggingface", tmp_path / "out")
    rows = read_huggingface(tmp_path / "out")
    assert len(rows) == RESTORED
    for row in rows:
        assert isinstance(row["image"], Image.Image)
        assert np.array_equal(np.asarray(row["image"]), stored_pixels(run, row))


def test_webdataset_has_the_stored_files_as_they_are(run, tmp_path):
    export(run, "webdataset", tmp_path / "out")
    assert {row["photo_id"]: row["png"] for row in read_webdataset(tmp_path / "out")} == run.files


def test_images_inside_results_are_exported_too_and_lance_has_them(other_run, tmp_path):
    export(other_run, "lance", tmp_path / "out")
    rows = {row["photo_id"]: row["image"] for row in read_lance(tmp_path / "out")}
    images = {row["photo_id"]: row["image"] for row in other_run.rows}
    assert sum(image is None for image in rows.values()) == 1
    assert all(rows[name] == image for name, image in images.items() if image and image["bytes"])
    assert set(rows) == set(images)


@pytest.mark.parametrize("to", [each for each in READERS if each != "csv"])
def test_the_same_export_again_writes_nothing_and_another_run_is_refused(run, other_run, tmp_path, to):
    target = tmp_path / "out"
    export(run, to, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    assert export(run, to, target) == 0
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()} == before
    with pytest.raises(ExportFailed, match="give this one another target"):
        export(other_run, to, target)


@pytest.mark.parametrize("to", READERS)
def test_an_export_that_is_killed_at_every_step_goes_on_and_has_every_row_once(run, tmp_path, to):
    target = tmp_path / "out"
    # At each of three shards, and when all are read, or when a part is to get its name.
    assert killed.kills_until_done(killed.export_to, str(run.root), to, str(target)) >= 4
    rows = READERS[to](target)
    expected = {row["photo_id"] for row in run.rows if to not in OF_PHOTOS or row["status"] == "ok"}
    assert sorted(row["photo_id"] for row in rows) == sorted(expected)
    if to != "csv":
        assert export(run, to, target) == 0
    if to in OF_PHOTOS:
        left = [path for path in target.rglob("*") if is_partial(path.name)]
        for path in left:
            os.utime(path, (1, 1))
        export(run, to, target)
        assert left
        assert not any(path.exists() for path in left)


@pytest.mark.parametrize("to", READERS)
def test_two_exports_at_once_make_one(run, tmp_path, monkeypatch, to):
    """The other begins and ends while this one reads, as that of a job which was taken for dead."""
    whole, target = RunRows.table, tmp_path / "out"

    def meanwhile(self, shard):
        if shard == 1:
            other = killed.begin(killed.export_to, str(run.root), to, str(target))
            other.join()
            assert other.exitcode == 0
        return whole(self, shard)

    monkeypatch.setattr(RunRows, "table", meanwhile)
    export(run, to, target)
    assert len(READERS[to](target)) == (RESTORED if to in OF_PHOTOS else PHOTOS)


@pytest.mark.parametrize("to", READERS)
def test_an_export_that_breaks_off_leaves_whole_parts_or_nothing(run, tmp_path, monkeypatch, to):
    whole = RunRows.table

    def broken(self, shard):
        if shard == 1:
            raise OSError("the machine goes away")
        return whole(self, shard)

    target = tmp_path / "out"
    monkeypatch.setattr(RunRows, "table", broken)
    with pytest.raises(Exception, match="the machine goes away"):
        export(run, to, target)
    parts = {path: path.stat().st_mtime_ns for path in target.rglob("*.tar")}
    assert len(parts) == (to == "webdataset")
    if to == "csv":
        assert not target.exists()
    if to == "iceberg":
        assert read_iceberg(target) == []
    monkeypatch.setattr(RunRows, "table", whole)
    export(run, to, target)
    assert all(path.stat().st_mtime_ns == time for path, time in parts.items())


def fetched(prefix, folder):
    """The objects below a prefix of the bucket as files; the path of what is called like the prefix."""
    import boto3

    for each in boto3.resource("s3").Bucket("archive").objects.filter(Prefix=prefix):
        path = folder / each.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.get()["Body"].read())
    return folder / prefix


# Iceberg takes a catalog alone; Delta Lake's library holds Python's lock while it waits for the server in this process.
@pytest.mark.parametrize("to", [each for each in READERS if each not in ("iceberg", "delta")])
def test_an_export_to_a_store_that_broke_off_goes_on_and_has_every_row_once(run, s3, tmp_path, monkeypatch, to):
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")  # of Lance, whose library goes there itself
    whole = RunRows.table

    def broken(self, shard):
        if shard == 1:
            raise OSError("the machine goes away")
        return whole(self, shard)

    monkeypatch.setattr(RunRows, "table", broken)
    with pytest.raises(ExportFailed, match="the machine goes away"):
        export(run, to, "s3://archive/a/out")
    monkeypatch.setattr(RunRows, "table", whole)
    export(run, to, "s3://archive/a/out")
    assert export(run, to, "s3://archive/a/out") == (PHOTOS if to == "csv" else 0)
    assert len(READERS[to](fetched("a/out", tmp_path))) == (RESTORED if to in OF_PHOTOS else PHOTOS)


def test_what_cannot_be_exported_is_told(run, tmp_path, monkeypatch):
    summary = run.root / "summary.json"
    before = summary.read_text()
    summary.write_text(json.dumps(json.loads(before) | {"failed": PHOTOS}))
    for to in OF_PHOTOS:
        with pytest.raises(ExportFailed, match="all photos failed; export its rows, which say why, as csv, delta or"):
            export(run, to, tmp_path / "out")
    summary.write_text(before)
    with pytest.raises(ExportFailed, match="is a format of images"):
        export(run, "webdataset", tmp_path / "out", images=False)
    with pytest.raises(ExportFailed, match="Iceberg needs a catalog"):
        export(run, "iceberg", "s3://bucket/table")
    (run.root / "summary.json").rename(run.root / "summary.away")
    with pytest.raises(ExportFailed, match="is not complete"):
        export(run, "csv", tmp_path / "out.csv")
    (run.root / "summary.away").rename(run.root / "summary.json")
    monkeypatch.setattr("pasd_batch.export.formats.find_spec", lambda name: None)
    with pytest.raises(ExportFailed, match=r"pip install 'pasd-batch\[delta\]'"):
        require_package(ExportFormat.DELTA)


@pytest.mark.parametrize("to", READERS)
def test_a_target_that_is_something_else_is_told_and_left_as_it_is(run, tmp_path, to):
    target = tmp_path / "photo.jpg"
    target.write_bytes(b"a photo")
    with pytest.raises(PasdBatchError, match=r"photo\.jpg"):
        export(run, to, target)
    assert target.read_bytes() == b"a photo"
    for own in (run.root, run.root / "images", run.root / "results" / "table"):
        with pytest.raises(ExportFailed, match="is the run's own folder; give the export a target beside the run"):
            export(run, to, own)


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_folder_is_no_csv_file_which_is_told_before_rows_are_read(run, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(RunRows, "tables", lambda self: pytest.fail("rows were read"))
    with pytest.raises(ManifestError, match=rf"{tmp_path}{ending} is a folder; name a file in it, such as {tmp_path}/"):
        export(run, "csv", f"{tmp_path}{ending}")
    assert not list(tmp_path.iterdir())


def test_tars_that_were_there_before_are_not_taken_for_parts(run, tmp_path):
    (tmp_path / "shard-000001.tar").write_bytes(b"of another data set")
    with pytest.raises(ExportFailed, match=r"shard-000001\.tar is there, of no export; give this one another target"):
        export(run, "webdataset", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shard-000001.tar"]


def test_the_command_says_what_it_has_written(run, tmp_path, capsys):
    assert main(["export", str(run.root), "--to", "csv", str(tmp_path / "rows.csv")]) == 0
    assert f"{PHOTOS} rows written to {tmp_path}/rows.csv (csv)" in capsys.readouterr().out
    for told in (f"{RESTORED} photos written", "nothing written"):
        assert main(["export", str(run.root), "--to", "webdataset", str(tmp_path / "tars")]) == 0
        assert told in capsys.readouterr().out
