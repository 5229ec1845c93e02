"""Local files that a manifest may name: below its own folder, below the one it lists, below those that are allowed."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import make_photos, survey

from pasd_batch.config.base import ConfigError
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.allowed_folders import granted_folders, listed_folder, refuse_outside, rows_outside
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.making import make_manifest
from pasd_batch.storage.storage import InvalidLocation, Storage

STRICT = StorageSettings()


def allowing(*folders: Path | str) -> StorageSettings:
    return StorageSettings(allowed_folders=frozenset(map(str, folders)))


@pytest.fixture
def archive(tmp_path):
    make_photos(tmp_path, ["archive/a.png", "archive/sub/b.png", "elsewhere/c.png"])
    return tmp_path / "archive"


def manifest(path: Path, *uris: Path | str) -> ManifestSettings:
    path.write_text("uri\n" + "".join(f"{uri}\n" for uri in uris))
    return ManifestSettings(path=str(path))


OUTSIDE = ["/etc/shadow", "//etc/shadow", "file:///etc/shadow", "FILE://localhost/etc/shadow", "../elsewhere/c.png"]
OUTSIDE += ["{archive}/../x.png", "{archive}x/a.png", "file://{archive}/%2e%2e/elsewhere/c.png"]


@pytest.mark.parametrize("uri", OUTSIDE)
@pytest.mark.parametrize("column", ["uri", "color_reference_uri"])
def test_local_files_outside_of_the_manifests_folder_are_refused_by_row(archive, uri, column):
    uri = uri.replace("{archive}", str(archive))
    values = {"uri": "a.png", "reference_uri": "a.png", "color_reference_uri": "a.png", column: uri}
    (archive / "m.csv").write_text(f"{','.join(values)}\nsub/b.png,,\n{','.join(values.values())}\n")
    settings = ManifestSettings(path=str(archive / "m.csv"))
    with pytest.raises(ManifestError) as error:
        survey(settings, STRICT)
    told = str(error.value)
    assert "1 problem(s)" in told
    assert f"m.csv, row 2: {column} " in told
    assert f"is a local file and is outside of {archive}; if it is meant, name its folder (" in told
    assert "in storage.allowed_folders" in told
    assert survey(settings, allowing("/")).rows == 2


def test_files_below_the_manifests_folder_are_planned_however_they_are_named(archive):
    uris = ["a.png", "./sub/../a.png", archive / "a.png", f"file://{archive}/sub/b.png", f"{archive}/sub/../a.png"]
    assert survey(manifest(archive / "m.csv", *uris), STRICT).rows == 5


def test_the_folder_may_have_another_name_that_is_a_link(archive, tmp_path):
    (tmp_path / "linked").symlink_to(archive)
    by_link = manifest(tmp_path / "linked" / "m.csv", archive / "a.png")
    assert survey(by_link, STRICT).rows == 1
    for folder in (archive, tmp_path / "linked"):
        refuse_outside(str(tmp_path / "linked" / "a.png"), allowing(folder))
        refuse_outside(str(archive / "a.png"), allowing(folder))


def test_an_allowed_folder_opens_what_is_below_it_and_no_more(archive, tmp_path):
    elsewhere = manifest(archive / "m.csv", tmp_path / "elsewhere/c.png")
    assert survey(elsewhere, allowing(tmp_path / "elsewhere")).rows == 1
    for other in (tmp_path / "else", tmp_path / "elsewhere/c", archive):
        with pytest.raises(ManifestError, match=r"row 1: uri .*elsewhere/c.png is a local file"):
            survey(elsewhere, allowing(other))


def test_a_manifest_that_is_made_of_a_folder_may_lie_elsewhere(archive, tmp_path):
    target = tmp_path / "lists" / "m.parquet"
    make_manifest(str(archive), str(target), STRICT)
    assert survey(ManifestSettings(path=str(target)), STRICT).folders == {str(archive), str(tmp_path / "lists")}
    table = pq.read_table(target)
    uris = pa.array([str(tmp_path / "elsewhere/c.png"), str(archive / "a.png")])
    pq.write_table(table.set_column(table.schema.get_field_index("uri"), "uri", uris), target)
    with pytest.raises(ManifestError, match=r"row 1: uri .*elsewhere/c.png is a local file and is outside of"):
        survey(ManifestSettings(path=str(target)), STRICT)


def test_a_manifest_on_s3_names_no_local_files_whatever_its_metadata_says(s3, archive, tmp_path):
    storage = Storage.open("s3://archive/lists")
    make_manifest(str(archive), "s3://archive/lists/m.parquet", STRICT)
    storage.write("m.csv", f"uri\ns3://archive/x.png\n{archive}/a.png\n".encode())
    for name in ("m.parquet", "m.csv"):
        settings = ManifestSettings(path=f"s3://archive/lists/{name}")
        with pytest.raises(ManifestError, match=r"a.png is a local file and is not below a folder that may be opened"):
            survey(settings, STRICT)
        assert survey(settings, allowing(archive)).folders == frozenset()


def test_links_count_by_where_they_lead(archive, tmp_path):
    (archive / "out.png").symlink_to(tmp_path / "elsewhere/c.png")
    (archive / "in.png").symlink_to("sub/b.png")
    (archive / "folder").symlink_to(tmp_path / "elsewhere")
    refuse_outside(str(archive / "in.png"), allowing(archive))
    for name in ("out.png", "folder/c.png"):
        with pytest.raises(InvalidLocation) as error:
            refuse_outside(str(archive / name), allowing(archive))
        led = f"{archive / name} leads through a link to {tmp_path}/elsewhere/c.png, which is outside of {archive};"
        assert led in str(error.value)
        assert f"name its folder ({tmp_path}/elsewhere) in storage.allowed_folders" in str(error.value)
        refuse_outside(str(archive / name), allowing(archive, tmp_path / "elsewhere"))


def test_the_folder_that_a_run_lists_is_found(archive, tmp_path, monkeypatch):
    for path in (archive, f"{archive}/", archive / "*.png", archive / "a.png"):
        assert listed_folder(str(path), STRICT) == {str(archive)}
    monkeypatch.chdir(tmp_path)
    assert listed_folder("archive", STRICT) == {str(archive)}
    assert listed_folder("s3://bucket/archive", STRICT) == frozenset()
    assert granted_folders("s3://bucket/m.parquet", "/etc/") == frozenset()
    assert granted_folders("/lists/m.parquet", "s3://bucket/") == {"/lists"}


def test_rows_are_looked_at_together():
    uris = pa.chunked_array([[f"/archive/{n}.png" for n in range(50)] + [None, "s3://b/a.png", "/other/x.png", ""]])
    assert rows_outside(uris, ["/archive", "/third"]) == [52]
    assert rows_outside(uris, ["/"]) == []
    assert rows_outside(uris, []) == [*range(50), 52]


def test_an_allowed_folder_is_an_absolute_path():
    with pytest.raises(ConfigError, match=r"allowed_folders: .*'scans': write the absolute path"):
        StorageSettings.parse({"allowed_folders": ["scans"]})
    assert StorageSettings(allowed_folders=frozenset({"~/x/", "/a/../b"})).allowed_folders == {
        os.path.expanduser("~/x"),
        "/b",
    }
