"""Maps of adaptation: pure functions from readings to settings, read from files, behind a photo's own settings."""

from types import SimpleNamespace

import pytest
import yaml

from pasd_batch.config import embedded_model
from pasd_batch.config.adaptation import AdaptationMap
from pasd_batch.config.base import ConfigError
from pasd_batch.config.photo_settings import adapted, sampling_of
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings

MAP = {
    "scales": [
        {
            "up_to_scale": 1.5,
            "noise_sigma": [2, 10],
            "blur_sigma": [1, 3],
            "jpeg_strength": [0.1, 0.9],
            "classes": [
                {"severity": 0, "kept_frequencies": 0.5, "steps": 1},
                {"severity": 0.25, "kept_frequencies": 0.2, "alpha_a": 0.6},
                {"severity": 0.75, "kept_frequencies": 0.0, "guidance_scale": 4, "conditioning_scale": 0.8},
            ],
        },
        {"noise_sigma": [5, 5], "classes": [{"severity": 0}, {"severity": 1, "fidelity": 0.25}]},
    ]
}
NAMES = ("noise_sigma", "blur_sigma", "jpeg_strength")
ADAPTING = SamplingSettings.parse({"adapt": True, "adaptation": MAP, "scale": 1, "added_noise_level": 700, "steps": 7})


def readings(noise=None, blur=None, jpeg=None):
    return SimpleNamespace(noise_sigma=noise, blur_sigma=blur, jpeg_strength=jpeg)


def severity(**given):
    return AdaptationMap.parse(MAP).at(readings(**given), scale=1).severity


@pytest.mark.parametrize("name", ["noise", "blur", "jpeg"])
@pytest.mark.parametrize("others", [{}, {"noise": 4.0, "blur": 1.5, "jpeg": 0.3}])
def test_severity_and_what_is_taken_away_never_fall_as_a_reading_rises(name, others):
    found = [AdaptationMap.parse(MAP).at(readings(**{**others, name: step / 8}), scale=1) for step in range(200)]
    severities = [each.severity for each in found]
    assert severities == sorted(severities)
    assert severities[-1] == 1.0
    kept = [each.settings["kept_frequencies"] for each in found]
    assert kept == sorted(kept, reverse=True)


def test_readings_count_between_the_ends_of_their_intervals():
    assert severity(noise=2.0, blur=0.2, jpeg=0.0) == 0.0
    assert severity(noise=6.0) == pytest.approx(0.5)
    assert severity(noise=6.0, blur=2.0) == pytest.approx(0.75)
    assert severity(noise=1e9, blur=1e9, jpeg=1e9) == 1.0


def test_what_a_photo_cannot_tell_changes_nothing():
    assert severity() == 0.0
    assert severity(blur=2.0) == pytest.approx(0.5)


def test_photos_of_one_class_have_equal_settings_and_few_classes_there_are():
    found = {adapted(ADAPTING, readings(noise=step / 50))[0] for step in range(1000)}
    assert len(found) == 3


def test_a_class_replaces_what_it_has_and_leaves_the_rest():
    sampling, found = adapted(ADAPTING, readings(noise=6.0))
    assert found == pytest.approx(0.5)
    assert (sampling.kept_frequencies, sampling.alpha_a, sampling.added_noise_level, sampling.steps) == (
        0.2,
        0.6,
        None,
        7,
    )
    assert adapted(sampling, readings(noise=99.0)) == (sampling, None)
    severe, _ = adapted(ADAPTING, readings(noise=99.0))
    assert (severe.guidance_scale, severe.conditioning_scale, severe.added_noise_level) == (4.0, 0.8, 700)


def test_a_part_is_for_scales_up_to_its_own_and_the_last_for_all_others():
    for scale, noise, fidelity in ((1.5, 9.0, None), (1.6, 9.0, 0.25), (9.0, 9.0, 0.25), (9.0, 4.0, None)):
        sampling, _ = adapted(ADAPTING.model_copy(update={"scale": scale}), readings(noise=noise))
        assert sampling.fidelity == fidelity


def test_a_map_with_one_choice_for_all_photos_tells_no_severity():
    one = AdaptationMap.parse({"scales": [{"noise_sigma": [1, 2], "classes": [{"severity": 0, "steps": 3}]}]})
    found = one.at(readings(noise=25.0), scale=1)
    assert (found.severity, found.settings) == (None, {"steps": 3})


def test_settings_that_do_not_adapt_are_those_of_before():
    settings = SamplingSettings(steps=3)
    assert adapted(settings, readings(noise=99.0)) == (settings, None)
    assert adapted(settings, readings(noise=99.0))[0] is settings
    assert (settings.adapt, settings.adaptation) == (False, None)


@pytest.mark.parametrize(
    ("own", "kept", "alpha_a", "steps", "fidelity"),
    [
        ({}, 0.2, 0.6, 7, None),
        ({"steps": "2"}, 0.2, 0.6, 2, None),
        ({"alpha_a": 0.1}, 0.2, 0.1, 7, None),
        ({"fidelity": 0.5}, 0.0, None, 7, 0.5),
    ],
)
def test_a_photos_own_settings_go_before_the_maps_and_these_before_the_runs(own, kept, alpha_a, steps, fidelity):
    sampling, _ = adapted(sampling_of(ADAPTING, own), readings(noise=6.0))
    assert (sampling.kept_frequencies, sampling.alpha_a, sampling.steps) == (kept, alpha_a, steps)
    assert sampling.fidelity == fidelity


def test_a_maps_choice_goes_before_the_runs_fidelity():
    run = ADAPTING.model_copy(update={"fidelity": 1.0, "added_noise_level": None})
    assert adapted(run, readings(noise=6.0))[0].at_fidelity().kept_frequencies == 0.2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scales": []}, "scales"),
        ({"scales": [{"classes": []}]}, "classes"),
        ({"scales": [{"classes": [{"severity": 0.5}]}]}, "must begin with 0 and ascend"),
        ({"scales": [{"classes": [{"severity": 0}, {"severity": 0}]}]}, "must begin with 0 and ascend"),
        ({"scales": [{"classes": [{"severity": 0, "kept_frequencies": 0.6}]}]}, "kept_frequencies"),
        ({"scales": [{"classes": [{"severity": 0, "scheduler": "X"}]}]}, "scheduler: unknown setting"),
        ({"scales": [{"classes": [{"severity": 0, "fidelity": 1, "alpha_a": 0}]}]}, "fidelity moves alpha_a, too"),
        ({"scales": [{"noise_sigma": [3, 1], "classes": [{"severity": 0}]}]}, "must ascend"),
        ({"scales": [{"classes": [{"severity": 0}]}, {"classes": [{"severity": 0}]}]}, "must be given and ascend"),
    ],
)
def test_a_map_that_is_none_is_refused_by_path(tmp_path, change, told):
    path = tmp_path / "map.yaml"
    path.write_text(yaml.safe_dump(change))
    with pytest.raises(ConfigError, match=f"adaptation.*{told}"):
        SamplingSettings.parse({"adapt": True, "adaptation": str(path)})


def test_a_map_that_is_missing_is_told_with_the_remedy(tmp_path):
    with pytest.raises(ConfigError, match=r"adapt needs a map.*pasd-batch adapt.*sampling\.adaptation$"):
        SamplingSettings.parse({"adapt": True})
    with pytest.raises(ConfigError, match=r"none\.yaml: no such configuration file"):
        SamplingSettings.parse({"adapt": True, "adaptation": str(tmp_path / "none.yaml")})
    with pytest.raises(ConfigError, match="with colorize leave it out"):
        SamplingSettings.parse({"adapt": True, "adaptation": MAP, "colorize": True})


def test_a_named_model_has_the_map_in_its_folder_unless_another_is_given(tmp_path):
    (tmp_path / "adaptation.yaml").write_text(yaml.safe_dump(MAP))
    model = {"base": str(tmp_path), "control": str(tmp_path)}

    def sampling(**given):
        return RestorationSettings.parse({"model": model, "sampling": given}).sampling

    assert sampling(adapt=True).adaptation == AdaptationMap.parse(MAP)
    assert sampling().adaptation is None
    other = {"scales": [{"classes": [{"severity": 0}]}]}
    assert sampling(adapt=True, adaptation=other).adaptation == AdaptationMap.parse(other)
    whole = RestorationSettings.parse({"model": model, "sampling": {"adapt": True}})
    assert RestorationSettings.parse(whole.model_dump(mode="json")) == whole


@pytest.mark.skipif(not embedded_model.EMBEDDED_MODEL.is_dir(), reason="the package was built without weights")
def test_the_model_in_the_package_keeps_clean_photos_and_restores_bad_ones_at_their_own_size():
    sampling = RestorationSettings.parse({"sampling": {"scale": 1}}).sampling
    clean, bad = readings(noise=1.0, blur=0.6, jpeg=0.02), readings(noise=20.0, blur=2.5, jpeg=2.0)
    assert adapted(sampling, clean)[0].kept_frequencies == 0.5
    assert adapted(sampling, bad)[0].kept_frequencies == 0.35
    for scale in (2, 4):
        enlarging = RestorationSettings.parse({"sampling": {"scale": scale}}).sampling
        plain = RestorationSettings.parse({"sampling": {"scale": scale, "adapt": False}}).sampling
        assert {adapted(enlarging, each)[0] for each in (clean, bad, readings())} == {plain}


@pytest.fixture
def _adapting_model(tmp_path, monkeypatch):
    (tmp_path / "sampling.yaml").write_text("steps: 7\nadapt: true\n")
    (tmp_path / "adaptation.yaml").write_text(yaml.safe_dump(MAP))
    monkeypatch.setattr(embedded_model, "EMBEDDED_MODEL", tmp_path)
    embedded_model.embedded_sampling.cache_clear()
    yield
    embedded_model.embedded_sampling.cache_clear()


@pytest.mark.usefixtures("_adapting_model")
@pytest.mark.parametrize(
    ("given", "adapts"),
    [
        ({}, True),
        ({"scale": 1, "color_fix": "none"}, True),
        ({"fidelity": 0.0}, False),
        ({"kept_frequencies": 0.0}, False),
        ({"added_noise_level": 3}, False),
        ({"colorize": True}, False),
        ({"colorize": "yes"}, False),
        ({"colorize": "no", "pure_noise_start": "no"}, True),
        ({"steps": 2, "adapt": True}, True),
        ({"steps": 2, "adapt": "yes"}, True),
        ({"adapt": False}, False),
    ],
)
def test_the_embedded_model_adapts_unless_somebody_sets_what_it_would_choose(given, adapts):
    sampling = RestorationSettings.parse({"sampling": given}).sampling
    assert (sampling.adapt, sampling.adaptation is not None) == (adapts, adapts)
    assert RestorationSettings.parse({"sampling": sampling.model_dump()}).sampling == sampling
    two = RestorationSettings.parse({"passes": [{"sampling": given}, {}]})
    assert [each.sampling.adapt for each in two.passes] == [adapts, True]
