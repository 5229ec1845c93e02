"""Sizes."""

import pytest
import torch

from pasd_batch.pasd.geometry import Size


def test_of_a_tensor():
    assert Size.of(torch.zeros(1, 3, 4, 7)) == Size(height=4, width=7)


@pytest.mark.parametrize(
    ("size", "factor", "expected"),
    [(Size(333, 517), 1.5, Size(500, 776)), (Size(1, 1), 0.1, Size(1, 1)), (Size(10, 1), 2.26, Size(23, 2))],
)
def test_scaled_rounds_and_never_vanishes(size, factor, expected):
    assert size.scaled(factor) == expected


@pytest.mark.parametrize(("side", "expected"), [(1, 64), (64, 64), (65, 128)])
def test_padded_to_a_multiple(side, expected):
    assert Size(side, 64).padded_to(64) == Size(expected, 64)


def test_sides_area_and_text():
    size = Size(height=3, width=5)
    assert (size.short_side, size.long_side, size.area, str(size)) == (3, 5, 15, "5x3")
