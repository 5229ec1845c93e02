"""Weights of an evaluation, looked at like those of a run."""

from pathlib import Path

import pytest

from pasd_batch.config.base import load_yaml
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.weights import run_with_weights_of
from pasd_batch.metrics.weights import needed_of

CONFIGS = Path(__file__).parents[2] / "configs"


def test_all_weights_of_the_fields_protocol_are_among_those_of_the_run():
    settings = EvaluationSettings.parse(load_yaml(CONFIGS / "evaluate.yaml"))
    run = run_with_weights_of(settings)
    names = {file.name for file in needed_of(run.metrics)}
    assert {
        "pt_inception-2015-12-05-6726825d.pth",
        "MANIQA_PIPAL-ae6d356b.pth",
        "RN50.pt",
        "vgg16-397923af.pth",
    } < names
    assert run.restoration.model.control == "hf://yangtao9009/PASD/pasd/checkpoint-100000"
    assert run.metrics.weights_dir == settings.metrics.weights_dir


def test_variants_that_only_sample_otherwise_have_the_weights_of_the_first():
    run = run_with_weights_of(EvaluationSettings.parse(load_yaml(CONFIGS / "evaluate_sampling.yaml")))
    assert run.restoration.model.base is None


def test_variants_with_models_of_their_own_are_named():
    ablations = EvaluationSettings.parse(load_yaml(CONFIGS / "evaluate_ablations.yaml"))
    with pytest.raises(EvaluationError, match=r"full and without PACA, .* have models of their own"):
        run_with_weights_of(ablations)
