"""Listings of photos: what cannot be read is left out, named and counted; keys and names stay as they are."""

import errno
import os
import socket
from pathlib import Path

import pillow_heif
import pytest
from manifests import ACCESS, make_photos, rows_of
from PIL import Image

from pasd_batch.cli import main
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.listing import MOST_NAMED, find_files
from pasd_batch.manifests.making import count_photos, make_manifest
from pasd_batch.manifests.output_paths import IMAGE_SUFFIXES, plain_path
from pasd_batch.manifests.rows import resolve_uri
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.storage.reading import open_for_reading, read_uri
from pasd_batch.storage.storage import Forbidden, NotFound, Storage, StorageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    make_photos(tmp_path / "photos", ["a.jpg", "deep/b.png"])
    return tmp_path / "photos"


def listed(folder: Path) -> list[str]:
    """Names of the photos in a manifest that is made of the folder."""
    target = folder.parent / "list.parquet"
    make_manifest(str(folder), str(target), ACCESS, measure=True)
    return sorted(row["photo_id"] for row in rows_of(target))


def refuse_folder(monkeypatch: pytest.MonkeyPatch, refused: Path, number: int) -> None:
    """Let the system refuse to list a folder, as it never does for root."""
    scandir = os.scandir

    def refusing(folder):
        if Path(folder) == refused:
            raise OSError(number, os.strerror(number), str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)


REFUSALS = [errno.EACCES, errno.EIO, errno.ESTALE, errno.ELOOP, errno.ENAMETOOLONG]


@pytest.mark.parametrize("number", REFUSALS)
def test_a_folder_that_cannot_be_read_costs_nothing_but_itself(photos, monkeypatch, caplog, number):
    refuse_folder(monkeypatch, photos / "deep", number)
    assert listed(photos) == ["a.jpg"]
    assert f"'{photos}/deep' is left out: cannot be read ({os.strerror(number)})" in caplog.text
    _, left_out = count_photos(str(photos), ACCESS)
    assert left_out.lines() == [f"left out, cannot be read ({os.strerror(number)}): 1"]


@pytest.mark.parametrize("number", REFUSALS)
def test_the_folder_itself_must_be_readable(photos, monkeypatch, number):
    refuse_folder(monkeypatch, photos, number)
    with pytest.raises(StorageError, match=errno.errorcode[number]):
        listed(photos)


def test_a_run_reads_all_of_its_own_folders_or_none(photos, monkeypatch):
    refuse_folder(monkeypatch, photos / "deep", errno.EACCES)
    with pytest.raises(Forbidden, match="deep"):
        list(Storage.open(str(photos)).list())


def test_what_is_no_file_is_left_out_and_named(photos, caplog, monkeypatch):
    os.mkfifo(photos / "pipe.jpg")
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "folder").symlink_to("deep")
    (photos / "good.jpg").symlink_to("a.jpg")
    monkeypatch.chdir(photos)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    assert listed(photos) == ["a.jpg", "deep/b.png", "good.jpg"]
    for name in ("pipe.jpg", "gone.jpg", "loop.jpg", "folder", "socket.jpg"):
        assert f"'{photos}/{name}' is left out" in caplog.text
    _, left_out = count_photos(str(photos), ACCESS)
    assert sorted(left_out.lines()) == [
        f"left out, cannot be read ({os.strerror(errno.ELOOP)}): 1",
        "left out, links that lead nowhere: 1",
        "left out, links to folders are not followed: 1",
        "left out, neither files nor folders: 2",
    ]


def test_a_link_to_the_folder_of_photos_is_followed(photos):
    (photos.parent / "elsewhere").mkdir()
    (photos.parent / "elsewhere/link").symlink_to(photos)
    assert listed(photos.parent / "elsewhere/link") == ["a.jpg", "deep/b.png"]


def test_a_pipe_is_never_opened(photos):
    os.mkfifo(photos / "pipe.csv")
    for attempt in (lambda uri: read_uri(uri, ACCESS), lambda uri: open_for_reading(uri, ACCESS), rows_of):
        with pytest.raises((StorageError, ManifestError)):
            attempt(str(photos / "pipe.csv"))


def test_names_that_are_not_text_are_left_out_all_at_once(photos, caplog):
    for number in range(MOST_NAMED + 2):
        (photos / os.fsdecode(b"caf\xe9 %d.jpg" % number)).write_bytes(b"")
    assert listed(photos) == ["a.jpg", "deep/b.png"]
    assert caplog.text.count("names are not UTF-8") == MOST_NAMED
    _, left_out = count_photos(str(photos), ACCESS)
    (line,) = left_out.lines()
    assert line.startswith("left out, their names are not UTF-8 (rename them")
    assert line.endswith(f": {MOST_NAMED + 2}")


def test_files_left_out_are_counted_by_ending(photos, capsys):
    for name in ["a.txt", "b.TXT", "c.mov", "README", ".hidden.jpg", ".cache/x.jpg", "_SUCCESS"]:
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"")
    target = photos.parent / "list.parquet"
    assert main(["manifest", str(photos), "-o", str(target)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2 photos listed in {target}",
        "left out by ending: 2 .txt, 1 .mov, 1 without",
        "left out, hidden, or their names begin with _: 3",
    ]


def test_what_is_there_instead_of_photos_is_told(tmp_path):
    (tmp_path / "a.nef").write_bytes(b"")
    with pytest.raises(ManifestError, match=r"no photos there.*left out by ending: 1 \.nef"):
        count_photos(str(tmp_path), ACCESS)


@pytest.mark.parametrize("name", ["list.tsv", "list.jsonl", "list", "list.parquet.gz"])
def test_a_manifest_is_not_written_under_a_name_of_another_format(photos, capsys, name):
    target = photos.parent / name
    assert main(["manifest", str(photos), "-o", str(target)]) == 2
    assert "ends in .parquet" in capsys.readouterr().err
    assert not target.exists()


def test_every_ending_of_a_format_that_is_read_is_listed(tmp_path):
    pillow_heif.register_heif_opener()
    formats = {*SourceFormat, "MPO", "DIB"}
    known = {ending for ending, name in Image.registered_extensions().items() if name in formats}
    assert known - IMAGE_SUFFIXES == set()
    names = [f"{ending[1:]}/DSC1{ending.upper()}" for ending in IMAGE_SUFFIXES]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_bytes(b"")
    assert listed(tmp_path / "in") == sorted(names)
    assert (
        plain_path("/x/DSC1.HIF", source_root="/x/", suffix=".png").output_path("", ".png", collides=False)
        == "DSC1.png"
    )


KEYS = [
    "scans//a.png",
    "scans/a.png",
    "scans///a.png",
    "scans/ a.png",
    "scans/a b+c%20&d.png",
    "scans/a?versionId=1.png",
    "scans/a?x=1#top.png",
    "scans/cafe\u0301.png",
    "scans/caf\u00e9.png",
    "scans/x/./y/../a.png",
    "scans//",
]


def test_keys_are_listed_and_read_as_they_are(s3, tmp_path):
    import boto3

    client = boto3.client("s3")
    make_photos(tmp_path, [f"{number}.png" for number in range(len(KEYS))])
    for number, key in enumerate(KEYS):
        client.put_object(Bucket="archive", Key=key, Body=(tmp_path / f"{number}.png").read_bytes())
    client.put_object(Bucket="archive", Key="scans/folder/", Body=b"")
    found = find_files("s3://archive/scans", ACCESS)
    assert sorted(found.uris) == sorted(f"s3://archive/{key}" for key in KEYS)
    target = str(tmp_path / "list.parquet")
    make_manifest("s3://archive/scans", target, ACCESS, measure=True)
    rows = rows_of(target)
    assert {row["uri"]: row["width"] for row in rows} == {
        f"s3://archive/{key}": 4 + number for number, key in enumerate(KEYS) if key.endswith(".png")
    }
    assert {row["photo_id"] for row in rows} == {key.removeprefix("scans/") for key in KEYS if key.endswith(".png")}
    for row in rows:
        assert read_uri(row["uri"], ACCESS) == (tmp_path / f"{row['width'] - 4}.png").read_bytes()
    assert read_uri("s3://archive/scans//", ACCESS) == (tmp_path / "10.png").read_bytes()
    with pytest.raises(NotFound):
        read_uri("s3://archive/scans/a.png/", ACCESS)


def test_a_key_may_begin_with_a_slash(s3, tmp_path):
    import boto3

    make_photos(tmp_path, ["0.png", "1.png"])
    for number, key in enumerate(["a.png", "/a.png"]):
        boto3.client("s3").put_object(Bucket="archive", Key=key, Body=(tmp_path / f"{number}.png").read_bytes())
    target = str(tmp_path / "list.parquet")
    make_manifest("s3://archive", target, ACCESS, measure=True)
    assert {row["photo_id"]: (row["uri"], row["width"]) for row in rows_of(target)} == {
        "a.png": ("s3://archive/a.png", 4),
        "/a.png": ("s3://archive//a.png", 5),
    }
    assert list(find_files("s3://archive//a.png", ACCESS).uris) == ["s3://archive//a.png"]
    assert list(find_files("s3://archive//", ACCESS).uris) == ["s3://archive//a.png"]
    assert list(find_files("s3://archive//*.png", ACCESS).uris) == ["s3://archive//a.png"]


@pytest.mark.parametrize(
    ("uri", "base", "absolute"),
    [
        ("x//a.jpg", "s3://b/m", "s3://b/m/x//a.jpg"),
        ("./x//a.jpg", "s3://b/m", "s3://b/m/x//a.jpg"),
        ("../x//a.jpg", "s3://b/m//n", "s3://b/m//x//a.jpg"),
        ("s3://b//x/../y//a.jpg", "s3://b/m", "s3://b//x/../y//a.jpg"),
        ("a.jpg/", "s3://b/m", "s3://b/m/a.jpg/"),
        ("a.jpg", "s3://b/m/", "s3://b/m//a.jpg"),
    ],
)
def test_relative_uris_keep_the_parts_of_keys(uri, base, absolute):
    assert resolve_uri(uri, base) == absolute


def test_a_manifest_in_a_key_with_empty_parts_is_the_base_of_its_uris(s3, tmp_path):
    import boto3

    boto3.client("s3").put_object(Bucket="archive", Key="lists//m.csv", Body=b"uri\nscans//a.png\n")
    (row,) = rows_of("s3://archive/lists//m.csv")
    assert row["uri"] == "s3://archive/lists//scans//a.png"


def test_two_keys_that_differ_in_slashes_are_two_photos(tmp_path):
    places = [
        plain_path(uri, source_root="s3://b/scans/", suffix=".png")
        for uri in ("s3://b/scans/x/a.png", "s3://b/scans/x//a.png")
    ]
    assert places[0].key(".png") == places[1].key(".png")
    outputs = {place.output_path(f"id {n}", ".png", collides=True) for n, place in enumerate(places)}
    assert len(outputs) == 2
