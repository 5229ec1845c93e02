"""Defaults of the embedded model: where no model is named they hold, and what is given wins over them."""

import pytest

from pasd_batch.config import embedded_model
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.sampling import SamplingSettings


@pytest.fixture(autouse=True)
def _embedded(tmp_path, monkeypatch):
    (tmp_path / "sampling.yaml").write_text(
        "steps: 7\nguidance_scale: 1.5\nalpha_a: 0.25\ntiling: {tile_size: 32, overlap: 8}\n"
    )
    monkeypatch.setattr(embedded_model, "EMBEDDED_MODEL", tmp_path)
    embedded_model.embedded_sampling.cache_clear()
    yield
    embedded_model.embedded_sampling.cache_clear()


def numbers(settings):
    sampling = settings.sampling
    return sampling.steps, sampling.guidance_scale, sampling.alpha_a, sampling.added_noise_level


def test_without_a_model_its_own_defaults_hold():
    assert numbers(RestorationSettings()) == (7, 1.5, 0.25, None)
    assert numbers(RestorationSettings.parse({"model": {"device": "cpu"}})) == (7, 1.5, 0.25, None)
    run = {"manifest": {"path": "photos"}, "output": {"root": "run"}}
    assert numbers(RunSettings.parse(run).restoration) == (7, 1.5, 0.25, None)


def test_what_is_given_wins():
    given = RestorationSettings.parse({"sampling": {"steps": 3, "added_noise_level": 500}})
    assert numbers(given) == (3, 1.5, None, 500)


def test_one_setting_of_a_group_leaves_the_others_as_they_are():
    tiling = RestorationSettings.parse({"sampling": {"tiling": {"overlap": 4}}}).sampling.tiling
    assert (tiling.tile_size, tiling.overlap) == (32, 4)


def test_a_named_model_is_restored_with_the_published_defaults(tmp_path):
    folders = {"base": tmp_path, "control": tmp_path}
    for model in (folders, ModelSettings(**folders)):
        assert numbers(RestorationSettings.model_validate({"model": model})) == (20, 9.0, None, None)


def test_settings_that_are_whole_stay_as_they_are():
    assert numbers(RestorationSettings(sampling=SamplingSettings())) == (20, 9.0, None, None)
    settings = RestorationSettings.parse({"sampling": {"added_noise_level": 900}})
    assert RestorationSettings.parse(settings.model_dump()) == settings


def test_without_weights_in_the_package_there_are_no_defaults_of_its_own(tmp_path):
    (tmp_path / "sampling.yaml").unlink()
    assert numbers(RestorationSettings()) == (20, 9.0, None, None)
