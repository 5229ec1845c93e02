"""Night after night over the same folder: each run does what is new, resumes as it began, tells what was deleted.

The driver is the real one; what it hands to Ray is done in this process, one after the other.
"""

import contextlib
import itertools

import pytest
import tiny_models
from checked_manifests import checked
from photo_archive import BAD, picture, results, settings, store_photos

from pasd_batch.batch.driver import dry_run, manifest_check, preflight
from pasd_batch.batch.driver import run as run_module
from pasd_batch.batch.driver.dry_run import plan_archive
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import run_archive
from pasd_batch.batch.planning import estimate, plan
from pasd_batch.batch.worker.shard_worker import ShardWorker


def do_shards(run, spec, folder, **_):
    worker = ShardWorker(spec)
    for shard in range(run.shards):
        assert worker.run(shard).message is None


@pytest.fixture
def without_ray(monkeypatch):
    def check(manifest, storage_settings, **_):
        folders = storage_settings.allowed_folders
        return checked(manifest.path, storage={"allowed_folders": sorted(folders)})

    chained = itertools.chain.from_iterable
    for module in (run_module, dry_run):
        monkeypatch.setattr(module, "ray_session", lambda _: contextlib.nullcontext())
    for module in (manifest_check, estimate):
        monkeypatch.setattr(module, "check_manifest", check)
    monkeypatch.setattr(plan, "rows_of", iter)
    monkeypatch.setattr(plan, "dataset_of", lambda count, work: chained(work(part) for part in range(count)))
    monkeypatch.setattr(preflight, "fetch_on_worker", lambda *_, **__: None)
    monkeypatch.setattr(preflight, "run_on_worker", lambda function, *arguments, **_: function(*arguments))
    monkeypatch.setattr(run_module, "work_off", do_shards)
    monkeypatch.setattr(dry_run, "_time_lines", lambda *_: [])


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
