"""Files that commands write at a path which is named: a folder in their place is told before any work."""

from pathlib import Path

import pytest

from pasd_batch.cli import main
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.writing import is_there, refuse_folder, upload_file, write_file
from pasd_batch.storage.storage import Storage, StorageError

SETTINGS = StorageSettings()


@pytest.mark.parametrize("name", ["taken", "taken/", "absent/", ".", "..", "~"])
def test_a_folder_is_refused_as_a_file_with_its_name_and_what_to_do(tmp_path, monkeypatch, name):
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for refuses in (
        lambda: refuse_folder(name, SETTINGS),
        lambda: is_there(name, SETTINGS),
        lambda: write_file(name, b"rows", SETTINGS),
        lambda: upload_file(name, Path(__file__), SETTINGS),
    ):
        with pytest.raises(ManifestError, match=rf"^{name} is a folder; name a file in it, such as .*/NAME, or beside"):
            refuses()
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


def test_an_address_in_a_store_is_a_folder_by_its_slash_alone():
    refuse_folder("s3://bucket/made", SETTINGS)
    with pytest.raises(ManifestError, match="s3://bucket/made/ is a folder"):
        refuse_folder("s3://bucket/made/", SETTINGS)


@pytest.mark.parametrize(
    "command",
    [
        ["manifest", "photos", "--overwrite", "-o"],
        ["compare", "run_a", "run_b", "--page"],
    ],
)
def test_commands_refuse_a_folder_before_they_look_at_anything_else(tmp_path, monkeypatch, capsys, command):
    target = "taken.html" if "--page" in command else "taken.parquet"
    (tmp_path / target).mkdir()
    monkeypatch.chdir(tmp_path)
    assert main([*command, target]) == 2
    assert f"{target} is a folder; name a file in it" in capsys.readouterr().err


def test_storage_says_what_to_do_about_folders_and_files_in_the_way(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"a file")
    with pytest.raises(StorageError, match=r"folder: .*EISDIR.*; a folder has that name; give the path of a file"):
        Storage.open(str(tmp_path)).write("folder", b"rows")
    with pytest.raises(StorageError, match=r"file/rows: .*; a part of the path is a file where a folder should be"):
        Storage.open(str(tmp_path)).write("file/rows", b"rows")
