"""Photos of this machine: what files, folders and globs stand for."""

import errno
import os
from pathlib import Path

import pytest

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.batch.local.finding import find_photos


def store(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"photo")


def ids(photos) -> list[str]:
    return [photo.photo_id for photo in photos]


def test_ids_are_paths_below_what_is_searched_as_in_a_manifest_of_it(tmp_path, monkeypatch):
    store(tmp_path, "in/a.jpg", "in/sub/b.tif", "in/sub/c.jpg")
    monkeypatch.chdir(tmp_path)
    out = str(tmp_path / "out")
    assert ids(find_photos(["in"], out)) == ["a.jpg", "sub/b.tif", "sub/c.jpg"]
    assert ids(find_photos(["in/**/*.jpg"], out)) == ["a.jpg", "sub/c.jpg"]
    assert ids(find_photos(["in/*/*.jpg"], out)) == ["sub/c.jpg"]
    assert ids(find_photos(["in/sub/b.tif", "in/sub"], out)) == ["b.tif", "b.tif", "c.jpg"]
    assert {photo.folder for photo in find_photos(["in/sub/?.jpg"], out)} == {f"{tmp_path}/in/sub/"}
    monkeypatch.setenv("HOME", str(tmp_path / "in"))
    assert [photo.path for photo in find_photos(["~/sub/*.tif"], out)] == [f"{tmp_path}/in/sub/b.tif"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(tmp_path, monkeypatch):
    names = ["scan", ".hidden.jpg", "[1]*.jpg", "notes.txt", "~.jpg"]
    store(tmp_path, *names)
    monkeypatch.chdir(tmp_path)
    photos = find_photos([*names, "gone.jpg"], str(tmp_path / "out"))
    assert [photo.path for photo in photos] == [str(tmp_path / name) for name in [*names, "gone.jpg"]]


def test_results_of_before_are_no_photos(tmp_path):
    store(tmp_path, "in/a.jpg", "in/out/a.png", "in/outside/b.jpg")
    for given in (f"{tmp_path}/in", f"{tmp_path}/in/**/*.*g", f"{tmp_path}/in/."):
        assert ids(find_photos([given], str(tmp_path / "in" / "out"))) == ["a.jpg", "outside/b.jpg"]
    assert ids(find_photos([str(tmp_path / "in/out")], str(tmp_path / "in/out"))) == ["a.png"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "no photos are named"),
        (["empty"], "empty: no photos in this folder; check the path; left out by ending: 1 .txt"),
        (["nowhere/*.jpg"], r"nowhere/\*.jpg: no photos match; check the path"),
        (["gone.jpg"], "gone.jpg: no such file"),
        (["x" * 300], "no such file"),
        ([os.fsdecode(b"\xff.jpg")], "their names are not UTF-8"),
        (["file:///a.jpg"], "restore takes files, folders and globs of this machine"),
    ],
)
def test_what_is_no_photo_is_told(tmp_path, monkeypatch, given, told):
    store(tmp_path, "empty/notes.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CannotRestore, match=told):
        find_photos(given, str(tmp_path / "out"))


def test_what_cannot_be_read_below_a_folder_is_left_out_and_counted(tmp_path, monkeypatch, caplog):
    store(tmp_path, "in/a.jpg", "in/closed/b.jpg", "in/open/c.jpg", "elsewhere/d.jpg")
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    os.mkfifo(tmp_path / "in/pipe.jpg")
    scan = os.scandir

    def refuse(folder):
        if Path(folder).name == "closed":  # for tests that run as root, whom no permission stops
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.chdir(tmp_path)
    assert ids(find_photos(["in"], str(tmp_path / "out"))) == ["a.jpg", "open/c.jpg"]
    assert sorted(message for message in caplog.messages if message.startswith("in: ")) == [
        "in: left out, cannot be read (Permission denied): 1",
        "in: left out, links that lead nowhere: 1",
        "in: left out, links to folders are not followed: 1",
        "in: left out, neither files nor folders: 1",
    ]
    with pytest.raises(CannotRestore, match=r"in/closed: cannot be read: .*PermissionError EACCES"):
        find_photos(["in/closed"], str(tmp_path / "out"))
