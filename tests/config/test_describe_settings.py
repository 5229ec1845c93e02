"""Settings of describers."""

import shutil

import pytest

from pasd_batch.config.base import ConfigError, with_overrides
from pasd_batch.config.describe import DescribeSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.weights import weights_settings
from pasd_batch.pasd.model_identity import model_fingerprint

LEAST = {"manifest": {"path": "photos.csv"}, "output": {"root": "run"}}


def run(*overrides, **values):
    return RunSettings.parse(with_overrides(LEAST | values, overrides, RunSettings))


def test_nothing_is_described_unless_asked_for():
    assert run().restoration.describe.describers == {}
    assert list(weights_settings(run().restoration.describe)) == []


def test_describers_come_in_the_order_of_the_prompt():
    settings = run(
        "restoration.describe.classify.weights=hf://microsoft/resnet-50",
        "restoration.describe.caption.weights=weights/blip",
    )
    assert list(settings.restoration.describe.describers) == ["caption", "classify"]
    named = {setting.name: str(setting.value) for setting in weights_settings(settings.restoration)}
    assert named["describe.classify.weights"] == "hf://microsoft/resnet-50"
    assert named["describe.caption.weights"] == "weights/blip"


def test_where_a_describers_weights_lie_is_not_decisive_and_what_it_takes_is():
    one, moved, stricter = (
        run(f"restoration.describe.classify={{weights: {folder}, threshold: {threshold}}}").decisive()
        for folder, threshold in [("a", 0.1), ("b", 0.1), ("a", 0.2)]
    )
    assert one == moved
    assert one != stricter
    assert run("deadlines.describe=5").decisive() == run().decisive()


def test_a_runs_model_is_that_of_its_describers_too_wherever_they_lie(describer_folder, tmp_path):
    moved = shutil.copytree(describer_folder("resnet"), tmp_path / "moved")
    plain, one, same, other = (
        model_fingerprint(run(*overrides).restoration)
        for overrides in (
            [],
            [f"restoration.describe.classify.weights={describer_folder('resnet')}"],
            [f"restoration.describe.classify.weights={moved}"],
            [f"restoration.describe.caption.weights={describer_folder('blip')}"],
        )
    )
    assert one == same
    assert len({plain, one, other}) == 3


def test_a_run_that_describes_is_decided_by_what_describes():
    describe = "restoration.describe.classify.weights=a"
    target = "output.manifest=described.parquet"
    plain = run("mode=describe", describe, target).decisive()
    for other in ("restoration.sampling.steps=3", "metrics.no_reference=[]", "output.manifest=there.parquet"):
        assert run("mode=describe", describe, target, other).decisive() == plain
    for other in ("restoration.sampling.prompt=a farm", "restoration.describe.substitutions={hazy: clear}"):
        assert run("mode=describe", describe, target, other).decisive() != plain
    passes = "restoration.passes=[{sampling: {steps: 3}}, {}]"
    assert run("mode=describe", describe, target, passes).decisive() == plain
    prompt = "restoration.sampling.prompt=a farm"
    told = run("mode=describe", describe, target, prompt).decisive()
    assert run("mode=describe", describe, target, prompt, passes).decisive() == told
    assert "restoration" not in run("mode=score", passes).decisive()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["mode=describe"], "mode describe needs a describer; name weights in restoration.describe.caption"),
        (
            ["mode=describe", "restoration.describe.classify.weights=a"],
            "writes a manifest; name its file in output.man",
        ),
        (["restoration.describe.detect.most=3"], "restoration.describe.detect.weights: required, but not given"),
        (["restoration.describe.detect={weights: a, threshold: 2}"], "less than or equal to 1"),
        (["output.manifest=x.parquet"], "output.manifest is written by mode describe, not restore"),
    ],
)
def test_what_cannot_be_is_told(overrides, told):
    with pytest.raises(ConfigError, match=told):
        run(*overrides)


def test_substitutions_are_those_of_the_released_code_and_replaced_as_a_whole():
    assert DescribeSettings().substitutions == {"blurry": "clear", "noisy": "clean"}
    settings = run("restoration.describe.substitutions={hazy: clear}")
    assert settings.restoration.describe.substitutions == {"hazy": "clear"}
