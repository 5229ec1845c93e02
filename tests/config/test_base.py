"""Settings refuse what they do not know, and say where it stands."""

import pytest

from pasd_batch.config.base import ConfigError, load_yaml, with_overrides
from pasd_batch.config.restoration import RestorationSettings


def test_unknown_key_is_named_by_its_dotted_path():
    with pytest.raises(ConfigError, match=r"sampling\.tiling\.tile_sise: unknown setting"):
        RestorationSettings.parse({"sampling": {"tiling": {"tile_sise": 64}}})


def test_all_problems_come_at_once():
    with pytest.raises(ConfigError) as caught:
        RestorationSettings.parse({"sampling": {"scale": -1, "steps": 0}}, source="some.yaml")
    message = str(caught.value)
    assert message.startswith("some.yaml: 2 invalid setting(s)")
    assert "sampling.scale" in message
    assert "(got -1)" in message
    assert "sampling.steps" in message


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"model": {"base": "a"}}, "base is given without control"),
        ({"sampling": {"added_noise_level": 900, "alpha_a": 0.5}}, "both set the same thing"),
        ({"sampling": {"tiling": {"tile_size": 32, "overlap": 20}}}, "more than half of tile_size 32"),
    ],
)
def test_settings_that_contradict_each_other(values, complaint):
    with pytest.raises(ConfigError, match=complaint):
        RestorationSettings.parse(values)


def test_settings_cannot_be_changed():
    settings = RestorationSettings()
    with pytest.raises(ValueError, match="frozen"):
        settings.sampling.scale = 3.0


def test_overrides_reach_into_groups_without_touching_the_original():
    values = {"sampling": {"scale": 2}}
    changed = with_overrides(values, ["sampling.scale=4", "model.device=cpu", "sampling.prompt='a: b'"])
    assert changed == {"sampling": {"scale": 4, "prompt": "a: b"}, "model": {"device": "cpu"}}
    assert values == {"sampling": {"scale": 2}}


@pytest.mark.parametrize("override", ["scale", "=3", "sampling.scale.x=1", "sampling.prompt=[1"])
def test_overrides_that_cannot_be_read(override):
    with pytest.raises(ConfigError, match="override"):
        with_overrides({"sampling": {"scale": 2}}, [override])


@pytest.mark.parametrize(
    ("text", "complaint"), [("a: [1", "not valid YAML"), ("- 1", "expected a mapping"), ("", "expected")]
)
def test_yaml_that_is_no_configuration(tmp_path, text, complaint):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_yaml(path)


def test_missing_yaml(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_yaml(tmp_path / "none.yaml")


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match="a folder, not a configuration file; name one YAML file"):
        load_yaml(tmp_path)


def test_a_file_that_is_no_text_is_no_configuration(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_yaml(tmp_path / "photo.jpg")


def test_a_path_through_a_file_is_no_configuration(tmp_path):
    (tmp_path / "run.yaml").write_text("mode: score")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "run.yaml" / "run.yaml")
