"""Manifests that are made of photos in folders, globs and prefixes."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS, make_photos, rows_of, survey

from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.listing import find_files
from pasd_batch.manifests.making import count_photos, make_manifest
from pasd_batch.storage.storage import Storage


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
    make_manifest("s3://archive/photos", "s3://archive/made//manifest.parquet", ACCESS)
    assert list(find_files("s3://archive/made", ACCESS).uris) == ["s3://archive/made//manifest.parquet"]


def test_settings_do_matter_for_parquet_that_no_run_wrote(tmp_path):
    pq.write_table(pa.table({"photo": ["/a.jpg"]}), tmp_path / "m.parquet")
    columns = ManifestColumns(uri="photo")
    assert survey(ManifestSettings(path=str(tmp_path / "m.parquet"), columns=columns)).rows == 1
    (tmp_path / "text.parquet").write_text("photo\n/a.jpg\n")
    settings = ManifestSettings(path=str(tmp_path / "text.parquet"), format=ManifestFormat.CSV, columns=columns)
    assert survey(settings).rows == 1
