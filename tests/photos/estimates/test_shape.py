import pytest

from pasd_batch.photos.estimates.shape import aspect, mean_side


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(1, 1, 1.0), (100, 400, 0.25), (400, 100, 0.25), (2, 3, 2 / 3)]
)
def test_aspect_is_the_shorter_side_over_the_longer(height, width, expected):
    assert aspect(height=height, width=width) == expected


def test_mean_side_is_that_of_a_square_of_the_same_area():
    assert mean_side(height=100, width=400) == 200.0
