"""Names of weights: what they mean, and how they are found among settings without anyone listing them."""

from pathlib import Path
from typing import Annotated

import pytest

from pasd_batch.config.base import ConfigError, LocalPath, Settings
from pasd_batch.config.marks import Weights
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.weights import HubName, WeightsPath, local_path, weights_settings, with_weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Adapter(Settings):
    path: Annotated[WeightsPath, Weights()]
    weight: float = 1.0


class Stylized(ModelSettings):
    style: Annotated[WeightsPath | None, Weights(("unet",))] = None
    adapters: tuple[Adapter, ...] = ()
    local: LocalPath | None = None


@pytest.mark.parametrize(
    ("text", "repository", "revision", "path"),
    [
        ("hf://owner/name", "owner/name", None, ""),
        ("hf://owner/name@main", "owner/name", "main", ""),
        (f"hf://owner/name@{COMMIT}/unet", "owner/name", COMMIT, "unet"),
        ("hf://owner/na.me-1/a/b.safetensors", "owner/na.me-1", None, "a/b.safetensors"),
        ("hf://owner/name@refs/pr/4/unet", "owner/name", "refs/pr/4", "unet"),
        ("hf://owner/name@feature%2Fone/unet", "owner/name", "feature/one", "unet"),
    ],
)
def test_a_name_on_the_hub_is_taken_apart_and_written_the_same(text, repository, revision, path):
    name = HubName.parse(text)
    assert (name.repository, name.revision, name.path) == (repository, revision, path)
    assert str(name) == text
    assert name.commit == (COMMIT if revision == COMMIT else None)
    assert str(name.pinned(COMMIT)) == f"hf://{repository}@{COMMIT}{f'/{path}' if path else ''}"


def test_a_slash_at_the_end_means_nothing():
    assert HubName.parse("hf://owner/name/") == HubName.parse("hf://owner/name")
    assert HubName.parse("hf://owner/name/unet/") == HubName.parse("hf://owner/name/unet")


@pytest.mark.parametrize(
    "text", ["hf://owner", "hf://", "hf://owner/name@/x", "hf://o/n/../x", "hf://o/n//x", "hf://o n/m"]
)
def test_what_names_nothing_on_the_hub_is_refused_with_its_path(text):
    with pytest.raises(ConfigError, match=r"base: write hf://OWNER/NAME"):
        ModelSettings.parse({"base": text, "control": "/c"})


def test_a_setting_of_weights_keeps_an_address_as_it_is_and_turns_the_rest_into_paths():
    settings = ModelSettings.parse({"base": "s3://bucket//a?b", "control": "pasd"})
    assert (settings.base, settings.control) == ("s3://bucket//a?b", Path("pasd"))
    assert ModelSettings.parse(settings.model_dump()) == settings
    assert ModelSettings.parse(settings.model_dump(mode="json")) == settings
    for wrong, told in (("", "this one is empty"), (7, "a folder, a file or an address is needed")):
        with pytest.raises(ConfigError, match=told):
            ModelSettings.parse({"base": wrong, "control": "/c"})


def test_a_setting_that_takes_local_paths_alone_says_so():
    with pytest.raises(ConfigError, match="local: a path on this machine is needed, not an address"):
        Stylized.parse({"local": "hf://owner/name"})


def test_every_marked_setting_is_found_and_changed_wherever_it_stands():
    settings = Stylized(
        base="hf://a/b", control=Path("c"), adapters=(Adapter(path=Path("one"), weight=2.0), Adapter(path="s3://b/two"))
    )
    found = {each.name: each.value for each in weights_settings(settings)}
    assert found == {
        "base": "hf://a/b",
        "control": Path("c"),
        "style": None,
        "adapters.0.path": Path("one"),
        "adapters.1.path": "s3://b/two",
    }
    changed = with_weights(settings, lambda each: Path("/here") if isinstance(each.value, str) else each.value)
    assert changed.base == changed.adapters[1].path == Path("/here")
    assert (changed.control, changed.style, changed.adapters[0]) == (Path("c"), None, settings.adapters[0])
    assert changed.adapters[0].weight == 2.0
    assert with_weights(settings, lambda each: each.value) == settings


def test_those_of_a_run_are_the_models_and_the_metrics():
    run = RunSettings.parse({"manifest": {"path": "m.csv"}, "output": {"root": "r"}})
    assert {"restoration.model.base", "restoration.model.control", "metrics.weights_dir"} <= {
        each.name for each in weights_settings(run)
    }


def test_an_address_is_no_local_path_and_hides_what_may_be_secret():
    assert local_path(Path("a")) == Path("a")
    with pytest.raises(ConfigError, match="pasd-batch weights fetch") as refused:
        local_path("https://user:secret@host/a.safetensors")
    assert "secret" not in str(refused.value)
