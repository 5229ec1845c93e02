"""Disks, mounts and stores in trouble while a worker is at a shard: no photo is blamed for it, and nothing is left."""

import errno
import io
import os
import shutil
import threading

import pyarrow.parquet as pq
import pytest
from failing_disk import FULL, PASSING, WRITING, FailingDisk
from photo_archive import picture, record, results, settings, spec, store_photos, write_plan

from pasd_batch.batch.driver.preflight import _check_storage
from pasd_batch.batch.worker.photo_state import read_records
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage import local_files
from pasd_batch.storage.storage import InvalidLocation, Storage, StorageError

PHOTOS = 3


@pytest.fixture
def root(tmp_path):
    """A run of three good photos, planned."""
    store_photos(tmp_path / "in", {f"{number}.png": picture(number) for number in range(PHOTOS)})
    write_plan(tmp_path / "run", [record(tmp_path / "in" / f"{number}.png") for number in range(PHOTOS)])
    return tmp_path / "run"


def work(root):
    return ShardWorker(spec(settings(root))).run(0)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def all_is_well(root, outcome):
    assert (outcome.state, outcome.failed) == (ShardState.COMMITTED, 0), outcome.message
    assert [row["status"] for row in results(root).values()] == ["ok"] * PHOTOS
    assert files_in(root / "images") == [f"{number}.png" for number in range(PHOTOS)]


@pytest.mark.parametrize("operation", [each for each in WRITING if each not in ("unlink", "replace")])
@pytest.mark.parametrize("name", ["EROFS", "EIO", "EMFILE", "ENOSPC", "EDQUOT"])
def test_trouble_where_photos_are_stored_is_no_photos_failure(root, monkeypatch, name, operation):
    number = {**PASSING, **FULL}[name]
    disk = FailingDisk(monkeypatch, root / "images", number, [operation], times=1)
    first = work(root)
    assert disk.failed or operation == "fsync"
    if first.state is ShardState.STORAGE_FULL:
        assert name in FULL
        assert "free some space" in first.message
        assert not (root / "results").exists()
        assert list((root / "attempts/000000").iterdir()) == []
        first = work(root)
    all_is_well(root, first)


@pytest.mark.parametrize("name", PASSING)
def test_lasting_trouble_gives_the_shard_back(root, monkeypatch, name):
    disk = FailingDisk(monkeypatch, root / "images", PASSING[name], ["open"])
    outcome = work(root)
    assert outcome.state is ShardState.GIVEN_BACK
    assert name in outcome.message
    assert not (root / "results").exists()
    disk.heal()
    all_is_well(root, work(root))


def test_a_name_that_the_disk_does_not_take_is_the_photos_own(root, monkeypatch):
    link = os.link

    def refuse(source, target, **options):
        if str(target).endswith("1.png"):
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        link(source, target, **options)

    monkeypatch.setattr(os, "link", refuse)
    outcome = work(root)
    assert (outcome.state, outcome.failed) == (ShardState.COMMITTED, 1)
    assert results(root)["1.png"]["error_type"] == "NameRefused"
    assert files_in(root / "images") == ["0.png", "2.png"]


class _Unreadable:
    """Makes reads of some files below a folder fail."""

    def __init__(self, monkeypatch, folder, number, names=None, times=10**6):
        self.left = times
        real_open = open

        def opened(path, *arguments, **options):
            hit = str(path).startswith(str(folder)) and (names is None or os.path.basename(path) in names)
            if hit and self.left > 0:
                self.left -= 1
                raise OSError(number, os.strerror(number), str(path))
            return real_open(path, *arguments, **options)

        monkeypatch.setattr(local_files, "open", opened, raising=False)
        monkeypatch.setattr("pasd_batch.storage.source_health.open", opened, raising=False)


@pytest.mark.parametrize("name", ["EIO", "ESTALE", "EMFILE", "ENOTCONN"])
def test_a_source_in_trouble_for_a_moment_costs_nothing(root, monkeypatch, name):
    _Unreadable(monkeypatch, root.parent / "in", PASSING[name], times=2)
    all_is_well(root, work(root))


@pytest.mark.parametrize("name", ["EIO", "ESTALE", "EMFILE", "ENOTCONN"])
def test_a_source_in_lasting_trouble_gives_the_shard_back(root, monkeypatch, name):
    unreadable = _Unreadable(monkeypatch, root.parent / "in", PASSING[name])
    outcome = work(root)
    assert outcome.state is ShardState.GIVEN_BACK
    assert name in outcome.message
    unreadable.left = 0
    all_is_well(root, work(root))


def test_a_bad_sector_is_the_failure_of_the_photo_on_it(root, monkeypatch):
    _Unreadable(monkeypatch, root.parent / "in", errno.EIO, names=["1.png"])
    outcome = work(root)
    assert (outcome.state, outcome.failed) == (ShardState.COMMITTED, 1)
    row = results(root)["1.png"]
    assert (row["error_stage"], row["error_type"]) == ("fetch", "TransientStorageError")


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "other photos"])
def test_a_mount_that_is_gone_is_no_photos_failure(root, left):
    folder = root.parent / "in"
    plan = Storage.open(str(root))
    _tell_source_root(plan, f"{folder}/")
    os.rename(folder, folder.with_name("unmounted"))
    if left != "nothing":
        store_photos(folder, {"other.png": b""} if left == "other photos" else {})
        folder.mkdir(exist_ok=True)
    outcome = work(root)
    if left == "other photos":
        assert (outcome.state, outcome.failed) == (ShardState.COMMITTED, PHOTOS)
        assert {row["error_type"] for row in results(root).values()} == {"NotFound"}
        return
    assert outcome.state is ShardState.GIVEN_BACK
    assert f"{folder}, the folder of all photos" in outcome.message
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(folder.with_name("unmounted"), folder)
    all_is_well(root, work(root))


def _tell_source_root(storage, source_root):
    path = "plan/shard-000000.parquet"
    table = pq.read_table(io.BytesIO(storage.read(path))).replace_schema_metadata({SOURCE_ROOT_KEY: source_root})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    storage.write(path, buffer.getvalue())
    run = RunFolder.open(storage.uri(), StorageSettings())
    assert read_records(run, 0, b"")[0].source_root == source_root


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_told_from_other_trouble(root, monkeypatch, name):
    FailingDisk(monkeypatch, root / "images", FULL[name], ["write"])
    before = set(threading.enumerate())
    outcome = work(root)
    assert outcome.state is ShardState.STORAGE_FULL
    assert "free some space" in outcome.message
    # Threads that are still storing the shard's other photos find the disk full, too, and take away what they began.
    for thread in set(threading.enumerate()) - before:
        thread.join(30.0)
    assert files_in(root / "images") == []


def test_images_may_lie_on_another_disk(root):
    disk = root.parent / "disk"
    disk.mkdir()
    (root / "images").symlink_to(disk)
    all_is_well(root, work(root))
    assert files_in(disk) == ["0.png", "1.png", "2.png"]
    storage = RunFolder.open(str(root), StorageSettings()).storage
    assert sorted(storage.list("images")) == [f"images/{number}.png" for number in range(PHOTOS)]
    (disk / f".{'0' * 32}.pasd-partial").touch()
    assert storage.remove_partial(older_than=-1.0) == 1
    (disk / "out").symlink_to(root.parent / "in")
    with pytest.raises(InvalidLocation, match="leads out of"):
        storage.read("images/out/0.png")


def test_a_link_for_images_that_leads_nowhere_is_refused_before_the_work(root):
    (root / "images").symlink_to(root.parent / "no disk")
    with pytest.raises(StorageError, match="images is a link, and nothing can be stored where it leads"):
        _check_storage(settings(root), RunFolder.open(str(root), StorageSettings()).storage)
