"""Runs that were damaged in many ways: only what is wrong is done again. No Ray."""

import dataclasses
import errno
import json
import os
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from photo_archive import settings
from tiny_run import SHARD_SIZE, TinyRun, cut, flip, flip_page, same_rows, shard_file, still_decodes

from pasd_batch.batch.driver.repair import Repair
from pasd_batch.batch.driver.run import CannotGoOn
from pasd_batch.batch.driver.run_file_again import write_run_file_again
from pasd_batch.cli import main
from pasd_batch.config.base import ConfigError
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.run_file import claim_run
from pasd_batch.runs.shard_findings import ProblemKind
from pasd_batch.storage.storage import Storage, StorageError


@pytest.fixture
def tiny_run(tmp_path):
    return TinyRun(tmp_path)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


IMAGE_DAMAGES = {
    "deleted": (lambda root: (root / "images/05.png").unlink(), ProblemKind.PHOTO_MISSING, {5}),
    "flipped": (lambda root: flip(root / "images/05.png"), ProblemKind.PHOTO_DAMAGED, {5}),
    "cut": (lambda root: cut(root / "images/09.png"), ProblemKind.PHOTO_DAMAGED, {9}),
    "empty": (lambda root: (root / "images/00.png").write_bytes(b""), ProblemKind.PHOTO_DAMAGED, {0}),
    "a folder": (lambda root: become_a_folder(root / "images/05.png"), ProblemKind.PHOTO_DAMAGED, {5}),
    "swapped": (lambda root: still_decodes(root / "images/04.png"), ProblemKind.PHOTO_DAMAGED, {4}),
}
RESULT_DAMAGES = {
    "cut": (lambda root: cut(root / shard_file("results", 1)), ProblemKind.RESULTS_DAMAGED),
    "flipped": (lambda root: flip_page(root / shard_file("results", 1)), ProblemKind.RESULTS_DAMAGED),
    "of another shard": (
        lambda root: (root / shard_file("results", 1)).write_bytes((root / shard_file("results", 2)).read_bytes()),
        ProblemKind.RESULTS_DAMAGED,
    ),
    "gone": (lambda root: (root / shard_file("results", 1)).unlink(), ProblemKind.RESULTS_MISSING),
}


@pytest.mark.parametrize("kind", IMAGE_DAMAGES)
def test_a_photo_that_is_missing_or_damaged_is_done_again_and_no_other(tiny_run, kind):
    damage, problem, photos = IMAGE_DAMAGES[kind]
    damage(tiny_run.root)
    result = tiny_run.verify()
    assert result.counts == {problem: 1}
    assert result.examples[problem][0].photo_id == f"{min(photos):02d}.png"
    repair = tiny_run.take_out()
    assert repair.counts == {"photos": 1}
    tiny_run.finish()
    assert tiny_run.verify().whole
    assert tiny_run.stored() == tiny_run.files
    same_rows(tiny_run.rows, tiny_run.table().to_pylist(), photos)
    assert not list((tiny_run.root / "repair").iterdir()), "what was kept is in the results again"


def test_all_photos_of_a_shard_and_more_are_done_again(tiny_run):
    numbers = {0, 1, 2, 3, 5}
    for number in numbers:
        (tiny_run.root / f"images/{number:02d}.png").unlink()
    assert tiny_run.take_out().counts == {"photos": 5}
    tiny_run.finish()
    assert tiny_run.verify().whole
    assert tiny_run.stored() == tiny_run.files
    same_rows(tiny_run.rows, tiny_run.table().to_pylist(), numbers)


def test_images_that_are_a_link_to_another_disk_are_looked_at_and_mended(tiny_run, tmp_path, monkeypatch):
    replace = os.replace
    images, disk = tiny_run.root / "images", tmp_path / "disk"
    images.rename(disk)
    images.symlink_to(disk)

    def replace_on_one_disk(source, target):
        if Path(source).resolve().is_relative_to(disk) != Path(target).resolve().is_relative_to(disk):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_on_one_disk)
    assert tiny_run.verify().whole
    (disk / "holiday.png").write_bytes(b"x")
    flip(disk / "05.png")
    flipped = (disk / "05.png").read_bytes()
    assert tiny_run.verify().counts == {ProblemKind.EXTRA: 1, ProblemKind.PHOTO_DAMAGED: 1}
    tiny_run.take_out()
    assert (tiny_run.root / "damaged/images/05.png").read_bytes() == flipped
    assert not (disk / "05.png").exists()
    tiny_run.finish()
    assert tiny_run.verify().counts == {ProblemKind.EXTRA: 1}
    assert images.is_symlink()


@pytest.mark.parametrize("kind", RESULT_DAMAGES)
def test_a_result_file_that_is_missing_or_damaged_is_made_again_and_no_other(tiny_run, kind):
    damage, problem = RESULT_DAMAGES[kind]
    damage(tiny_run.root)
    assert tiny_run.verify().counts == {problem: 1}
    assert tiny_run.take_out().counts == {"photos": SHARD_SIZE}
    tiny_run.finish()
    assert tiny_run.verify().whole
    assert tiny_run.stored() == tiny_run.files
    same_rows(tiny_run.rows, tiny_run.table().to_pylist(), {4, 5, 6, 7})


@pytest.mark.parametrize("images", ["parquet", "both"])
def test_a_photo_that_is_damaged_inside_its_row_is_done_again(tmp_path, images):
    tiny_run = TinyRun(tmp_path, images)
    path = tiny_run.root / shard_file("results", 0)
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[2]["image"]["bytes"] = rows[1]["image"]["bytes"]
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    assert tiny_run.verify().counts == {ProblemKind.PHOTO_DAMAGED: 1}
    tiny_run.take_out()
    tiny_run.finish()
    assert tiny_run.verify().whole
    same_rows(tiny_run.rows, tiny_run.table().to_pylist(), {2})


@pytest.mark.parametrize("damage", [cut, flip_page, Path.unlink])
def test_a_damaged_plan_is_taken_out_so_that_it_is_made_again_and_the_rows_stay(tiny_run, damage):
    plan = tiny_run.root / shard_file("plan", 2)
    before = plan.read_bytes()
    damage(plan)
    problem = ProblemKind.PLAN_DAMAGED if plan.exists() else ProblemKind.PLAN_MISSING
    assert tiny_run.verify().counts == {problem: 1}
    assert tiny_run.take_out().counts == {"plan files": 1}
    assert not plan.exists()
    plan.write_bytes(before)  # as planning does, which needs Ray
    assert tiny_run.verify().whole
    assert tiny_run.table().to_pylist() == tiny_run.rows


def test_a_plan_file_in_the_place_of_another_costs_no_rows(tiny_run):
    plan = tiny_run.root / shard_file("plan", 2)
    plan.write_bytes((tiny_run.root / shard_file("plan", 0)).read_bytes())
    result = tiny_run.verify()
    assert result.counts.keys() == {ProblemKind.PLAN_DAMAGED}
    assert tiny_run.take_out().counts == {"plan files": 1}
    assert tiny_run.table().to_pylist() == tiny_run.rows


def test_a_repair_asks_for_the_configuration_where_the_run_file_hides_a_part_of_it(tiny_run, capsys):
    path = tiny_run.root / "run.json"
    values = json.loads(path.read_text())
    values["settings"]["manifest"]["path"] = "https://archive.example/photos.csv?sig=***"
    path.write_text(json.dumps(values))
    (tiny_run.root / "images/05.png").unlink()
    assert main(["verify", str(tiny_run.root), "--repair"]) == 2
    assert "--config CONFIG" in capsys.readouterr().err
    assert tiny_run.verify().counts == {ProblemKind.PHOTO_MISSING: 1}, "nothing was taken out"


@pytest.mark.parametrize("lost", [False, True])
def test_a_run_file_is_made_again_from_the_configuration_and_the_rows(tiny_run, lost):
    before = tiny_run.run_file()
    path = tiny_run.root / "run.json"
    if lost:
        path.unlink()
    else:
        cut(path)
    cut(tiny_run.root / shard_file("results", 0))  # the next one tells the same
    cut(tiny_run.root / shard_file("plan", 2))
    other = settings(tiny_run.root, shard_size=SHARD_SIZE, restoration={"sampling": {"seed": 9}})
    with pytest.raises(ConfigError, match="its rows were made with the configuration"):
        write_run_file_again(tiny_run.folder, other)
    made = write_run_file_again(tiny_run.folder, tiny_run.settings)
    assert dataclasses.replace(made, created_at="") == dataclasses.replace(before, created_at="")
    assert claim_run(tiny_run.folder.storage, before) == made


class Killed(BaseException):
    """A process that ends here."""


@pytest.mark.parametrize("again", ["repair", "resume"])
def test_a_repair_that_is_killed_at_any_moment_loses_nothing_and_takes_no_damage_for_good(tmp_path, monkeypatch, again):
    for step in range(40):
        (tmp_path / str(step)).mkdir()
        tiny_run = TinyRun(tmp_path / str(step), "files")
        still_decodes(tiny_run.root / "images/04.png")
        (tiny_run.root / "images/05.png").unlink()
        cut(tiny_run.root / shard_file("results", 2))
        flip(tiny_run.root / "images/09.png")
        killed = _killed_at(step, monkeypatch, tiny_run)
        if again == "repair":
            tiny_run.take_out()
            tiny_run.finish()
        else:
            try:
                tiny_run.finish()
            except RunDamaged:
                tiny_run.take_out()
                tiny_run.finish()
        assert tiny_run.take_out().counts == {} or again == "resume"
        tiny_run.finish()
        assert tiny_run.verify().whole
        assert tiny_run.stored() == tiny_run.files, step
        same_rows(tiny_run.rows, tiny_run.table().to_pylist(), {4, 5, 8, 9, 10, 11})
        if not killed:
            return
    raise AssertionError("the repair has more steps than were tried")


def _killed_at(step: int, monkeypatch: pytest.MonkeyPatch, tiny_run: TinyRun) -> bool:
    """Repair until so many changes were made to storage; whether it came to be killed."""
    changes = Counter()
    with monkeypatch.context() as patch:
        for name in ("write", "create", "move", "delete"):
            original = getattr(Storage, name)

            def change(self, path, *rest, original=original):
                # Photos are stored by threads of the worker: there a kill is an error like any other.
                if changes["made"] == step and not path.startswith("images/"):
                    raise Killed
                changes["made"] += 1
                return original(self, path, *rest)

            patch.setattr(Storage, name, change)
        try:
            tiny_run.take_out()
            tiny_run.finish()
        except Killed:
            return True
    return False


def test_nothing_is_taken_out_that_could_not_be_done_again(tiny_run):
    asked = []

    def refuse():
        asked.append("once")
        raise CannotGoOn("the models are gone")

    repair = Repair(tiny_run.folder, refuse)
    assert tiny_run.verify(on_shard=repair.take_out).whole
    assert asked == [], "a whole run needs nothing"
    (tiny_run.root / "images/05.png").unlink()
    cut(tiny_run.root / shard_file("results", 2))
    with pytest.raises(CannotGoOn):
        tiny_run.verify(on_shard=repair.take_out)
    assert asked == ["once"]
    assert not (tiny_run.root / "damaged").exists()
    assert (tiny_run.root / shard_file("results", 1)).exists()


def test_a_file_that_cannot_be_moved_ends_the_repair_and_the_next_one_goes_on(tiny_run, monkeypatch):
    flip(tiny_run.root / "images/05.png")

    def refuse(self, path, target):
        raise StorageError(f"{path}: the disk is read-only")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "move", refuse)
        with pytest.raises(StorageError, match="read-only"):
            tiny_run.take_out()
    assert tiny_run.verify().counts == {ProblemKind.PHOTO_DAMAGED: 1}
