"""Which decoded pictures cannot be restored photos."""

import pytest
import torch

from pasd_batch.pasd.soundness import find_problem, measure_soundness

VARIED = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
FLAT = torch.full((1, 3, 16, 16), 0.4)


def problem(decoded, source):
    return find_problem(measure_soundness(decoded, source))


def test_a_varied_picture_is_sound():
    assert problem(VARIED.flip(3), VARIED) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_value_that_is_no_number(value):
    decoded = VARIED.clone()
    decoded[0, 1, 2, 3] = value
    assert "not finite" in problem(decoded, VARIED)


@pytest.mark.parametrize("level", [0.0, 0.4, -7.0])
def test_flat_where_the_photo_is_not(level):
    assert "flat" in problem(torch.full_like(VARIED, level), VARIED)


def test_a_picture_far_outside_the_range_is_flat_once_clamped():
    assert "flat" in problem(5 + VARIED, VARIED)


@pytest.mark.parametrize("source", [FLAT, FLAT + 0.01 * (VARIED - 0.5), VARIED[:, :, :1, :1].mean().expand(1, 3, 1, 1)])
def test_flat_where_the_photo_is_too(source):
    assert problem(torch.full_like(source, 0.5), source) is None
