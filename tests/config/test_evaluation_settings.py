"""Settings of evaluations: sets, variants over common settings, and grids of them."""

import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.evaluation import EvaluationSettings

PAIRS = {"name": "DIV2K-val", "pairs": "/data/DIV2K"}


def parsed(**values):
    return EvaluationSettings.parse({"output": "out", "sets": [PAIRS], **values})


def test_variants_are_over_what_all_have():
    settings = parsed(
        restoration={"sampling": {"steps": 8, "alpha_a": 0.5}},
        variants=[
            {"name": "full"},
            {"name": "without ANS", "restoration": {"sampling": {"pure_noise_start": True}}},
            {"name": "by step", "restoration": {"sampling": {"added_noise_level": 900}}},
        ],
    )
    full, without, by_step = (variant.restoration.sampling for variant in settings.all_variants)
    assert (full.steps, full.alpha_a, full.pure_noise_start) == (8, 0.5, False)
    assert (without.steps, without.pure_noise_start) == (8, True)
    assert (by_step.alpha_a, by_step.added_noise_level) == (None, 900)  # given either way it replaces the other


def test_a_grid_is_every_combination_of_every_variant():
    grid = {"sampling.steps": [4, 8], "sampling.guidance_scale": [1, 3.5]}
    names = [variant.name for variant in parsed(grid=grid).all_variants]
    assert names == [f"steps={steps} guidance_scale={scale}" for steps in (4, 8) for scale in ("1", "3.5")]
    two = parsed(grid={"sampling.steps": [4, 8]}, variants=[{"name": "a"}, {"name": "b"}]).all_variants
    assert [(each.name, each.restoration.sampling.steps) for each in two] == [
        ("a steps=4", 4),
        ("a steps=8", 8),
        ("b steps=4", 4),
        ("b steps=8", 8),
    ]
    assert two[0].point == {"sampling.steps": 4}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"grid": {"sampling.stepz": [4]}}, "is sampling.steps meant"),
        ({"variants": [{"name": "a", "restoration": {"sampling": {"steps": 0}}}]}, "sampling.steps: Input should be"),
        ({"variants": [{"name": "a"}, {"name": "A"}]}, "variants: A, a is named more than once"),
        ({"sets": [PAIRS, PAIRS]}, "sets: DIV2K-val is named more than once"),
        ({"sets": [{**PAIRS, "name": "../DIV2K"}]}, "is the name of a folder, too"),
        ({"sets": [{"name": "a"}]}, "set a needs pairs, or photos to degrade"),
        ({"sets": [{**PAIRS, "photos": "/data"}]}, "give one of them"),
        ({"sets": [{"name": "a", "photos": "/data"}]}, "set a has photos, but no degradation"),
        ({"sets": [{**PAIRS, "crop": 512}]}, "pairs are taken as they are"),
    ],
)
def test_what_cannot_be_meant_is_told(values, told):
    with pytest.raises(ConfigError, match=told):
        parsed(**values)


@pytest.mark.parametrize(
    ("degradation", "scale"),
    [
        ({"chain": "realesrgan", "scale": 4, "resize_back": False}, 4.0),
        ({"chain": "bicubic", "scale": 2, "resize_back": False}, 2.0),
        ({"chain": "bicubic", "scale": 2}, 1.0),
        ({"chain": "old_photo"}, 1.0),
    ],
)
def test_results_are_larger_by_what_the_degradation_shrinks(degradation, scale):
    settings = parsed(sets=[{"name": "a", "photos": "/data", "degradation": degradation}])
    assert settings.sets[0].degraded_by == scale
