"""Settings refuse what they do not know, and say where it stands."""

import pytest

from pasd_batch.config.base import ConfigError, load_yaml, with_overrides
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import RunSettings

RUN = {"manifest": {"path": "m.csv"}, "output": {"root": "run"}}


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


def test_messages_are_bounded():
    with pytest.raises(ConfigError) as caught:
        RestorationSettings.parse({"sampling": {"tiling": {"tile_size": ["x"] * 10_000}}})
    assert "sampling.tiling.tile_size" in str(caught.value)
    assert "... of 50,000 characters" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_overrides_reach_into_groups_without_touching_the_original():
    values = {"sampling": {"scale": 2}}
    changed = with_overrides(
        values, ["sampling.scale=4", "model.device=cpu", "sampling.prompt='a: b'"], RestorationSettings
    )
    assert changed == {"sampling": {"scale": 4, "prompt": "a: b"}, "model": {"device": "cpu"}}
    assert values == {"sampling": {"scale": 2}}


def test_nothing_behind_the_equals_sign_is_an_empty_text(tmp_path):
    values = with_overrides(
        {}, ["sampling.prompt=", "sampling.negative_prompt= ", "model.base=null"], RestorationSettings
    )
    assert values == {"sampling": {"prompt": "", "negative_prompt": ""}, "model": {"base": None}}
    assert RestorationSettings.parse(values).sampling.prompt == ""
    with pytest.raises(ConfigError, match=r"model\.base: .*a path is needed"):
        RestorationSettings.parse(with_overrides({}, ["model.base="], RestorationSettings))


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "inf", "1e999"])
def test_numbers_without_end_are_no_settings(value):
    with pytest.raises(ConfigError, match=r"deadlines\.fetch: .* is no number to work with; null stands for none"):
        RunSettings.parse(with_overrides(RUN, [f"deadlines.fetch={value}"], RunSettings))
    with pytest.raises(ConfigError, match=r"sampling\.scale"):
        RestorationSettings.parse(with_overrides({}, [f"sampling.scale={value}"], RestorationSettings))
    with pytest.raises(ConfigError, match="no number"):
        OldPhotoSettings.parse({"scratches": {"count": [0.5, float("inf")]}})


def test_waits_that_no_timer_takes_are_no_settings():
    with pytest.raises(ConfigError, match=r"deadlines\.store"):
        RunSettings.parse(with_overrides(RUN, ["deadlines.store=1e12"], RunSettings))
    assert RunSettings.parse(with_overrides(RUN, ["deadlines.store=null"], RunSettings)).deadlines.store is None


def test_aliases_and_merges_are_read(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nagain: *base\n")
    assert load_yaml(path) == {"base": {"a": 1, "b": 2}, "other": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2}}


@pytest.mark.parametrize("override", ["scale", "=3", "sampling.scale.x=1", "sampling.steps=[1", "a={b: 1, b: 2}"])
def test_overrides_that_cannot_be_read(override):
    with pytest.raises(ConfigError, match="override"):
        with_overrides({"sampling": {"scale": 2}}, [override], RestorationSettings)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1", "expected a mapping"),
        ("", "expected"),
        ("mode: score\na:\n  b: 1\n  c: 2\n  b: 3\n", r"'b' is set twice, first in line 3; remove one(.|\n)*line 5"),
        ("mode: score\nmode: score\n", "'mode' is set twice, first in line 1"),
        ("a: &a {b: *a}", "stand for more than 100,000 values"),
        ("\n".join(["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 9))]), "100,000 values"),
        ("a: " + "[" * 5000, "nested too deeply"),
    ],
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
