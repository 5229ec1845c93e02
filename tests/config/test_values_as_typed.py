"""Values as people type them: texts stay texts, numbers are what they look like, mistakes are told with a remedy."""

from pathlib import Path

import pytest

from pasd_batch.config.base import ConfigError, Settings, load_yaml, with_overrides
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.training import load_training

RUN = {"manifest": {"path": "m.csv"}, "output": {"root": "run"}}
TEXTS = ["5", "yes", "null and void", "a: b", "a #b", "#1", "*.png", "[1].png", "{a}", "@x", "%41", "!x", "&x", "- x"]
TEXTS += [
    "2024-02-30",
    "12:30",
    "0123",
    "1e5",
    "it's",
    '5" nail',
    "'",
    "a  ",
    " a",
    "a\nb",
    "s3://b/k?x=1#2",
    "a=b",
    "'a' and 'b'",
]


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        RunSettings.parse(with_overrides(RUN, overrides, RunSettings))
    return str(error.value)


@pytest.mark.parametrize("text", TEXTS)
def test_a_setting_that_is_a_text_has_what_was_typed(text):
    overrides = [f"sampling.prompt={text}", f"model.base={text}", f"model.control={text}"]
    settings = RestorationSettings.parse(with_overrides({}, overrides, RestorationSettings))
    assert settings.sampling.prompt == text
    assert settings.model.base == (text if "://" in text else Path(text))


@pytest.mark.parametrize(("typed", "meant"), [("'5'", "5"), ('"a\\nb"', "a\nb"), ("'it''s'", "it's"), ("''", "")])
def test_quotes_around_a_whole_text_are_taken_off(typed, meant):
    values = with_overrides({}, [f"sampling.prompt={typed}", "model.device=null"], RestorationSettings)
    assert values == {"sampling": {"prompt": meant}, "model": {"device": None}}


def test_texts_of_settings_that_come_in_kinds_are_typed_too(tmp_path):
    (tmp_path / "train.yaml").write_text("trains: vae\n")
    with pytest.raises(ConfigError) as error:
        load_training(tmp_path / "train.yaml", ["output=2024"])
    assert "output:" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("1_000", 1000),
        ("0x10", 16),
        ("0o17", 15),
        ("+7", 7),
        ("12.0", 12),
        ("'12'", 12),
        ("1e2", 100),
    ],
)
def test_numbers_are_what_they_look_like(tmp_path, text, value):
    (tmp_path / "run.yaml").write_text(f"shard_size: {text}\n")
    for values in (load_yaml(tmp_path / "run.yaml"), with_overrides({}, [f"shard_size={text}"], RunSettings)):
        assert RunSettings.parse(RUN | values).shard_size == value


@pytest.mark.parametrize("text", ["1:30", "yes", "true", "0o9", "12.5", "", "[1]", "1 000"])
def test_what_is_no_whole_number_is_refused(text):
    assert "shard_size:" in refusal(f"shard_size={text}")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("yes", True), ("off", False)])
def test_truth_may_be_written_as_people_do(text, value):
    assert (
        RestorationSettings.parse(with_overrides({}, [f"model.compile={text}"], RestorationSettings)).model.compile
        is value
    )


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("shardsize=3", "shardsize: unknown setting; is shard_size meant?"),
        ("restoration.sampling.step=3", "is restoration.sampling.steps meant?"),
        ("restorations.sampling.steps=3", "is restoration meant?"),
        ("on_damage=fail", "is limits.on_damage meant?"),
        ("workers.no=3", "workers.no: unknown setting; check the spelling"),
        ("workers=3", "workers: a group of settings is needed"),
        ("workers=null", "workers: a group of settings is needed"),
        ("metrics.no_reference=piqe", "a list is needed, written as [ONE, ANOTHER] (got 'piqe')"),
        ("metrics.no_reference=[[piqe]]", "a text is needed"),
        ("storage.allowed_schemes=https", "a list is needed"),
        ("storage.allowed_schemes=[HTTPS]", "write a scheme in small letters"),
        ("storage.allowed_schemes=['https://']", "without what follows it, such as https"),
        ("output.file.background=[0, 0, 256]", "output.file.background.2"),
        ("restoration.sampling.steps=true", "restoration.sampling.steps: a number is needed (got True)"),
        ("manifest.path=", "manifest.path: an empty name, perhaps of a variable that is not set; name a path or URI"),
        ("output.root=' '", "output.root: an empty name"),
        ("max_error_rate=true", "max_error_rate: a number is needed (got True)"),
        ("1=2", "1: the name of a setting is needed"),
    ],
)
def test_mistakes_are_told_with_what_is_meant(override, told):
    if override == "1=2":
        with pytest.raises(ConfigError, match=told):
            RunSettings.parse(RUN | {1: 2})
    else:
        assert told in refusal(override)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "!!int x", "!!float x", "!!timestamp x", "!!bool x", "!!binary x", "!!python/name:os.system"]
)
def test_values_that_yaml_itself_cannot_make_are_errors_of_the_file(tmp_path, value):
    (tmp_path / "run.yaml").write_text(f"shard_size: {value}\n")
    with pytest.raises(ConfigError, match=r"run\.yaml: not valid YAML"):
        load_yaml(tmp_path / "run.yaml")


def test_a_group_that_holds_itself_could_not_be_listed():
    """What `meant_by` relies on: it walks through all groups."""

    def groups_below(settings: type[Settings], above: tuple[type, ...]) -> None:
        assert settings not in above
        for field in settings.model_fields.values():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
                groups_below(field.annotation, (*above, settings))

    groups_below(RunSettings, ())


@pytest.mark.parametrize(
    "override",
    [
        "manifest=https://me:HUSH@h/m.csv",
        "manifest.path.x=https://me:HUSH@h/m.csv",
        "https://me:HUSH@h/m.csv",
        "shard_size=https://me:HUSH@h/m.csv",
        "shard_size=[https://me:HUSH@h/m.csv",
        "storage.allowed_hosts=[https://me:HUSH@h]",
        "storage.allowed_schemes=['https://me:HUSH@h']",
    ],
)
def test_messages_about_settings_show_no_credentials(override):
    assert "HUSH" not in refusal(override)


@pytest.mark.parametrize(
    "text", ["manifest: {path: https://me:HUSH@h", "a: 1\na: https://h/?sig=HUSH", "a: [b, !x HUSH]"]
)
def test_messages_about_yaml_show_where_it_is_wrong_and_not_what_stands_there(tmp_path, text):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"line \d+, column \d+") as error:
        load_yaml(tmp_path / "run.yaml")
    assert "HUSH" not in str(error.value)
