"""Every file in configs/ loads, says what it is for, and explains its groups; every job says how it is submitted."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pasd_batch.config.base import ConfigError, load_yaml, with_overrides
from pasd_batch.config.degradation import GrayscaleSettings, RealEsrganSettings
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.config.losses import PredictionType
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.config.training import load_training
from pasd_batch.evaluation.published import published_rows
from pasd_batch.metrics.weights import METRIC_NEEDS

ROOT = Path(__file__).parents[2]
CONFIGS = [*sorted((ROOT / "configs").glob("*.yaml")), ROOT / "pasd_batch/cli/demo.yaml"]
RUN_CONFIGS = [path for path in CONFIGS if not path.name.startswith(("train_", "evaluate"))]
DISTRIBUTIONS = {"clip": "openai-clip", "pkg_resources": "setuptools"}
"""What the packages that metrics import are installed from."""
JOBS = sorted((ROOT / "jobs").glob("*.py"))


def load(path: Path):
    if path.name.startswith("train_"):
        return load_training(path)
    if path.name.startswith("evaluate"):
        return EvaluationSettings.parse(load_yaml(path), source=path.name)
    return RunSettings.parse(load_yaml(path), source=path.name)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_loads(path):
    settings = load(path)
    assert type(settings).parse(settings.model_dump()) == settings


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_misspelt_setting_is_named(path):
    values = with_overrides(load_yaml(path), ["shard_sise=1"], type(load(path)))
    with pytest.raises(ConfigError, match="shard_sise: unknown setting"):
        type(load(path)).parse(values)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_says_what_it_is_for_and_explains_every_group(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    for name, value in yaml.safe_load(path.read_text()).items():
        if isinstance(value, dict):
            above = lines[lines.index(f"{name}:") - 1]
            assert above.startswith("# "), f"{path.name}: no comment above {name}"


def test_the_files_are_what_their_names_say():
    modes = {path.name: load(path).mode for path in RUN_CONFIGS}
    assert modes == {
        "audit.yaml": RunMode.AUDIT,
        "colorize.yaml": RunMode.RESTORE,
        "colorize_then_restore.yaml": RunMode.RESTORE,
        "demo.yaml": RunMode.RESTORE,
        "describe.yaml": RunMode.DESCRIBE,
        "restore_archive.yaml": RunMode.RESTORE,
        "restore_old_photos.yaml": RunMode.RESTORE,
        "restore_preview.yaml": RunMode.RESTORE,
        "restore_turbo.yaml": RunMode.RESTORE,
        "score_only.yaml": RunMode.SCORE,
        "stylize.yaml": RunMode.RESTORE,
    }


def test_the_papers_tasks_are_as_released():
    restorations = {
        name: load(ROOT / "configs" / f"{name}.yaml").restoration
        for name in ("stylize", "restore_old_photos", "colorize")
    }
    for name in ("stylize", "restore_old_photos"):
        model, sampling = restorations[name].model, restorations[name].sampling
        assert model.personalized is not None
        assert model.personalized.strength == 1
        assert (sampling.steps, sampling.guidance_scale, sampling.conditioning_scale) == (20, 7.5, 1.1)
        assert (sampling.negative_prompt[:13], sampling.negative_prompt[-11:]) == ("dotted, noise", "low quality")
    colorization = restorations["colorize"].sampling
    assert (colorization.colorize, colorization.color_fix, colorization.added_prompt) == (True, ColorFix.LUMA, "")
    assert (colorization.steps, colorization.guidance_scale, colorization.scale) == (20, 9, 1)


def test_colorizing_then_restoring_is_each_as_it_is_alone():
    colorize, restore = load(ROOT / "configs" / "colorize_then_restore.yaml").restoration.passes
    alone = load(ROOT / "configs" / "colorize.yaml").restoration
    assert (colorize.model, colorize.sampling) == (alone.model, alone.sampling)
    archive = load(ROOT / "configs" / "restore_archive.yaml").restoration
    assert (restore.model.base, restore.model.control) == (archive.model.base, archive.model.control)
    tiling = archive.sampling.tiling.model_copy(update={"tile_batch": None})
    assert restore.sampling == archive.sampling.model_copy(update={"tiling": tiling})


def test_the_evaluation_is_of_the_published_model_on_the_fields_sets():
    settings = load(ROOT / "configs" / "evaluate.yaml")
    (variant,) = settings.all_variants
    archive = load(ROOT / "configs" / "restore_archive.yaml").restoration
    assert (variant.restoration.model.base, variant.restoration.model.control) == (
        archive.model.base,
        archive.model.control,
    )
    sampling = variant.restoration.sampling
    assert (sampling.steps, sampling.guidance_scale, sampling.added_noise_level) == (20, 9, 900)
    assert [each.name for each in settings.sets] == list(dict.fromkeys(row.test_set for row in published_rows()))


def test_the_papers_ablations_and_curve_are_evaluations():
    ablations = load(ROOT / "configs" / "evaluate_ablations.yaml")
    assert [(each.name, each.captions) for each in ablations.all_variants if not each.captions] == [
        ("without high-level prompt", False)
    ]
    assert ablations.all_variants[-1].restoration.sampling.pure_noise_start
    curve = load(ROOT / "configs" / "evaluate_noise_level.yaml")
    levels = [each.restoration.sampling.alpha_a for each in curve.all_variants]
    assert levels == pytest.approx([(step / 5) ** 2 for step in range(6)])
    assert len(load(ROOT / "configs" / "evaluate_sampling.yaml").all_variants) == 6


def test_trainings_are_as_published():
    super_resolution, colorization = (
        load(ROOT / "configs" / f"train_{name}.yaml") for name in ("realisr", "colorization")
    )
    for settings in (super_resolution, colorization):
        assert (settings.optimizer.learning_rate, settings.optimizer.warm_up_steps) == (5e-5, 0)
        assert (settings.batch_size, settings.accumulation, settings.losses.gamma) == (4, 2, 1)
        samples = settings.data.samples
        assert (samples.crop_size, samples.caption_drop_probability) == (512, 0.5)
    assert super_resolution.data.samples.degradation == RealEsrganSettings(scale=4)
    assert colorization.data.samples.degradation == GrayscaleSettings()
    assert colorization.losses.prediction_type is PredictionType.V_PREDICTION
    assert colorization.losses.colorfulness == 0.001
    assert colorization.model.schedule.rescale_betas_zero_snr


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_a_job_is_short_and_its_docstring_submits_it(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    assert "ray job submit --address" in text
    (config,) = set(re.findall(r"configs/\w+\.yaml", text))
    assert (ROOT / config).exists()
    assert f"python jobs/{path.name} {config}" in text


def metrics_extra() -> dict[str, Requirement]:
    """What `pip install pasd-batch[metrics]` names itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["metrics"]]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


@pytest.mark.parametrize("path", RUN_CONFIGS, ids=lambda path: path.name)
def test_its_metrics_need_no_more_than_the_metrics_extra(path):
    metrics = load(path).metrics
    named = metrics_extra()
    installed = named.keys() | {Requirement(line).name for line in requires("pyiqa") or []}
    for name in (*metrics.no_reference, *metrics.full_reference):
        missing = [package for package in METRIC_NEEDS[name].packages if DISTRIBUTIONS[package] not in installed]
        assert not missing, f"{name} imports {missing}, which the extra `metrics` does not bring"


def test_the_setuptools_of_the_metrics_extra_still_has_pkg_resources():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    (pinned,) = (line.removeprefix("setuptools==") for line in lines if line.startswith("setuptools=="))
    allowed = metrics_extra()["setuptools"].specifier
    assert pinned in allowed
    assert "82.0.0" not in allowed, "pkg_resources was removed in setuptools 82"
