import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.sampling import SamplingSettings


def test_the_dial_moves_its_settings_linearly_between_its_ends():
    dial = {"alpha_a": [0.2, 1.0], "guidance_scale": [5.0, 1.0], "kept_frequencies": [0.0, 0.4]}
    for fidelity, alpha_a, scale, kept in ((0.0, 0.2, 5.0, 0.0), (0.25, 0.4, 4.0, 0.1), (1.0, 1.0, 1.0, 0.4)):
        given = {"fidelity": fidelity, "fidelity_dial": dial, "added_noise_level": 900, "steps": 7}
        moved = SamplingSettings.parse(given).at_fidelity()
        assert (moved.alpha_a, moved.guidance_scale) == (pytest.approx(alpha_a), pytest.approx(scale))
        assert moved.kept_frequencies == pytest.approx(kept)
        assert (moved.added_noise_level, moved.steps, moved.fidelity) == (None, 7, fidelity)
        assert moved.at_fidelity() == moved


def test_without_a_fidelity_everything_stays_as_it_is():
    settings = SamplingSettings(added_noise_level=300)
    assert settings.at_fidelity() is settings
    assert settings.kept_frequencies == 0.0


def test_colorization_keeps_no_frequencies_of_grey_photos():
    moved = SamplingSettings.parse({"colorize": True, "fidelity": 1.0}).at_fidelity()
    assert (moved.kept_frequencies, moved.alpha_a) == (0.0, 1.0)
    with pytest.raises(ConfigError, match="kept_frequencies would bring back the grey"):
        SamplingSettings.parse({"colorize": True, "kept_frequencies": 0.1})


@pytest.mark.parametrize("given", [{"fidelity": 1.1}, {"fidelity": -0.1}, {"kept_frequencies": 0.6}])
def test_values_beyond_the_dial_are_refused(given):
    with pytest.raises(ConfigError, match=next(iter(given))):
        SamplingSettings.parse(given)
