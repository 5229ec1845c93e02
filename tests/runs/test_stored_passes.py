"""Results of the passes before the last, stored beside the photos: in the rows, verified, mended."""

import hashlib

import pytest
from PIL import Image
from tiny_run import MISSING_PHOTO, PHOTOS, TinyRun, cut, same_rows

from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.shard_findings import ProblemKind
from pasd_batch.runs.summary import summarize

PASSES = {"passes": [{"sampling": {"steps": 1}}, {"sampling": {"steps": 1}}, {"sampling": {"scale": 2}}]}


@pytest.fixture
def run(tmp_path) -> TinyRun:
    return TinyRun(tmp_path, restoration=PASSES, output={"passes": True})


def files(run):
    return {path.relative_to(run.root).as_posix(): path.read_bytes() for path in (run.root / "passes").rglob("*.*")}


def test_each_pass_has_a_file_for_each_photo_and_rows_tell_of_them(run):
    stored = files(run)
    good = [number for number in range(PHOTOS) if number != MISSING_PHOTO]
    assert stored.keys() == {f"passes/{each}/{number:02d}.png" for each in (1, 2) for number in good}
    for row in run.rows:
        if row["status"] == "failed":
            assert row["passes"] is None
            continue
        for number, told in enumerate(row["passes"], start=1):
            path = f"passes/{number}/{row['output_path']}"
            assert told["uri"] == str(run.root / path)
            assert (told["sha256"], told["bytes"]) == (hashlib.sha256(stored[path]).hexdigest(), len(stored[path]))
            size = (told["width"], told["height"])
            assert Image.open(told["uri"]).size == size == (row["input_width"], row["input_height"])
    assert run.verify().whole
    assert run.verify().files == 3 * len(good)


def test_nothing_is_stored_unless_asked_for(tmp_path):
    run = TinyRun(tmp_path, restoration=PASSES)
    assert not (run.root / "passes").exists()
    assert {str(row["passes"]) for row in run.rows} == {"None"}


@pytest.mark.parametrize(("damage", "kind"), [(cut, ProblemKind.PHOTO_DAMAGED), (None, ProblemKind.PHOTO_MISSING)])
def test_a_lost_file_of_a_pass_is_found_and_mended_and_nothing_else_is_done_again(run, damage, kind):
    before, path = files(run), run.root / "passes/2/03.png"
    damage(path) if damage else path.unlink()
    found = run.verify()
    assert dict(found.counts) == {kind: 1}
    (problem,) = found.examples[kind]
    assert (problem.path, problem.photo_id) == ("passes/2/03.png", "03.png")
    run.take_out()
    run.finish()
    assert run.verify().whole
    assert files(run) == before
    same_rows(run.rows, run.table().to_pylist(), but={3})


def test_without_rows_all_files_of_its_photos_are_taken_out(run):
    before = files(run)
    cut(run.root / "results/shard-000001.parquet")
    run.take_out()
    assert not list((run.root / "passes").rglob("0[4-7].png"))
    assert len(list((run.root / "damaged/passes").rglob("*.png"))) == 6
    run.finish()
    assert run.verify().whole
    assert files(run) == before


def test_a_file_that_belongs_to_no_photo_is_found(run):
    (run.root / "passes/1/other.png").write_bytes(b"")
    assert [problem.path for problem in run.verify().examples[ProblemKind.EXTRA]] == ["passes/1/other.png"]


def test_a_run_is_not_complete_without_them(run):
    (run.root / "passes/1/00.png").unlink()
    with pytest.raises(RunDamaged, match=r"lacks 1 restored photos .* passes/1/00\.png"):
        summarize(run.folder, run.run_file())
