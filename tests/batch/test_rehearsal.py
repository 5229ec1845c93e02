import dataclasses

import tiny_models
from photo_archive import settings

from pasd_batch.batch import rehearsal
from pasd_batch.batch.models import Refusal
from pasd_batch.batch.rehearsal import rehearse, seconds_per_tile
from pasd_batch.batch.run import ExitCode


class Refusing:
    def restore(self, photos, *, prompts, seeds, on_step=None):
        return [tiny_models.Refused("OutOfMemoryError", "one tile of 96 does not fit; lower tile_size") for _ in photos]


def load_refusing(settings):
    return Refusing()


REFUSING = dataclasses.replace(tiny_models.TINY, restorer=load_refusing)


def test_a_tile_is_timed(tmp_path):
    seconds = seconds_per_tile(settings(tmp_path / "run", tmp_path / "manifest.csv"), tiny_models.TINY)
    assert 0.0 < seconds < 60.0


def test_a_refusal_is_not_taken_for_speed(tmp_path):
    tried = seconds_per_tile(settings(tmp_path / "run", tmp_path / "manifest.csv"), REFUSING)
    assert isinstance(tried, Refusal)


def test_a_model_that_restores_nothing_cannot_start(ray_cluster, archive, tmp_path):
    report = rehearse(settings(tmp_path / "run", archive.manifest), loaders=REFUSING)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "lower tile_size" in report.message


def test_a_worker_that_does_not_come_cannot_start(ray_cluster, archive, tmp_path, monkeypatch):
    calls = []

    def too_late(function, *arguments, **options):
        calls.append(function)
        raise TimeoutError

    monkeypatch.setattr(rehearsal, "run_on_worker", too_late)
    report = rehearse(settings(tmp_path / "run", archive.manifest), loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "TimeoutError" in report.message
    assert calls == [seconds_per_tile]
