"""Night after night over the same folder: each run does what is new, resumes as it began, tells what was deleted.

The driver is the real one; what it hands to Ray is done in this process, one after the other.
"""

import json

import killed
import pytest
import tiny_models
from photo_archive import BAD, picture, results, settings, store_photos
from without_ray import do_without_ray

from pasd_batch.batch.driver.dry_run import plan_archive
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import run_archive


@pytest.fixture
def without_ray(monkeypatch):
    do_without_ray(monkeypatch.setattr)


def test_each_night_does_what_is_new_and_nothing_twice(tmp_path, without_ray):
    photos, runs = tmp_path / "in", tmp_path / "runs"
    store_photos(photos, {"a.png": picture(1), "b.png": picture(2), "bad.png": BAD["corrupt"]})

    def night(name):
        nightly = settings(
            runs / name,
            photos,
            manifest={"only_new": f"{runs}/*"},
            shard_size=1,
            workers={"max": 1},
            max_error_rate=1.0,
            restoration={"sampling": {"steps": 5}},
        )
        return nightly, run_archive(nightly, show_progress=False, loaders=tiny_models.TINY)

    _, first = night("1")
    assert first.exit_code is ExitCode.DONE, first.message
    assert results(runs / "1").keys() == {"a.png", "b.png", "bad.png"}

    store_photos(photos, {"bad.png": picture(3), "c.png": picture(4)})
    (photos / "a.png").unlink()
    second_settings, second = night("2")
    assert second.exit_code is ExitCode.DONE, second.message
    assert results(runs / "2").keys() == {"bad.png", "c.png"}
    assert "only new: 2 photos; 1 are done in 1 earlier runs" in second.message
    assert "deleted since: 1 photos that earlier runs have done: a.png" in second.message
    assert (runs / "2/deleted.txt").read_text() == "a.png\n"

    # Killed half-way, and resumed the next day: the run has the photos that it began with.
    store_photos(photos, {"d.png": picture(5)})
    (runs / "2/results/shard-000001.parquet").unlink()
    (runs / "2/summary.json").unlink()
    _, resumed = night("2")
    assert resumed.exit_code is ExitCode.DONE, resumed.message
    assert results(runs / "2").keys() == {"bad.png", "c.png"}

    other = second_settings.output.model_copy(update={"root": str(runs / "3")})
    planned = plan_archive(second_settings.model_copy(update={"output": other}), loaders=tiny_models.TINY)
    assert planned.exit_code is ExitCode.DONE, planned.message
    assert "only new: 1 photos; 3 are done in 2 earlier runs" in planned.message
    assert "photos: 1\n" in planned.message

    (photos / "d.png").unlink()
    _, third = night("3")
    assert (third.exit_code, third.counts.photos) == (ExitCode.DONE, 0)
    assert third.message.startswith("nothing new\n")
    assert not (runs / "3/run.json").exists()


def test_a_night_that_is_killed_at_every_step_does_what_is_new_once(tmp_path):
    photos, runs = tmp_path / "in", tmp_path / "runs"
    store_photos(photos, {"a.png": picture(1), "b.png": picture(2), "gone.png": picture(6), "bad.png": BAD["corrupt"]})
    changes = {
        "manifest": {"only_new": f"{runs}/*"},
        "shard_size": 1,
        "max_attempts": 50,  # a photo is not to blame for these kills
        "max_error_rate": 1.0,
        "workers": {"max": 1},
    }
    first = killed.begin(killed.run, str(runs / "1"), str(photos), changes)
    first.join()
    assert first.exitcode == 0

    (photos / "gone.png").unlink()
    store_photos(photos, {"bad.png": picture(3), "c.png": picture(4)})
    assert killed.kills_until_done(killed.run, str(runs / "2"), str(photos), changes) > 5
    assert results(runs / "2").keys() == {"bad.png", "c.png"}
    assert {row["status"] for row in results(runs / "2").values()} == {"ok"}
    assert (runs / "2/deleted.txt").read_text() == "gone.png\n"
    assert {path.name for path in (runs / "2/images").iterdir()} == {"bad.png", "c.png"}
    assert json.loads((runs / "2/summary.json").read_text())["photos"] == 2

    nothing = killed.begin(killed.run, str(runs / "3"), str(photos), changes)
    nothing.join()
    assert nothing.exitcode == 0
    assert not (runs / "3/run.json").exists()
