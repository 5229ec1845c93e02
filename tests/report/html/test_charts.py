import numpy as np
import pytest

from pasd_batch.report.html.charts import HEIGHT, MOST_POINTS, WIDTH, histogram, scatter, throughput


def test_a_histogram_has_every_known_value_and_both_medians():
    before, after = np.array([0, 0, 10, np.nan]), np.array([10, 10, 10, 10])
    found = histogram([before, after])
    assert found is not None
    counts = [[int(bar.label.split(": ")[1].split()[0]) for bar in bars] for bars in found.series]
    assert counts == [[2, 1], [4]]
    assert found.series[1][0].height == HEIGHT
    assert found.medians == (0.0, WIDTH)
    assert found.zero is None
    assert histogram([np.array([-1.0, 1.0])]).zero == WIDTH / 2  # type: ignore[union-attr]


def test_no_photo_falls_out_of_a_histogram():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = histogram([rng.normal(30, 3, 100).astype(np.float32)])
        assert found is not None
        assert sum(int(bar.label.split(": ")[1].split()[0]) for bar in found.series[0]) == 100


def test_one_value_and_no_value():
    found = histogram([np.array([3.0])])
    assert found is not None
    assert (found.low, found.high) == (2.5, 3.5)
    assert histogram([np.array([np.nan])]) is None
    assert scatter(np.array([np.nan, 1.0]), np.array([1.0, np.nan])) is None
    assert throughput(np.array([5.0])) is None


def test_a_scatter_puts_photos_where_their_scores_are_and_draws_at_most_so_many():
    found = scatter(np.array([0.0, 1.0, np.nan]), np.array([5.0, 6.0, 1.0]))
    assert found is not None
    low, high = found.points
    assert (low.row, high.row, found.photos) == (0, 1, 2)
    assert low.x < high.x
    assert low.y > high.y  # an SVG's y goes downwards
    many = scatter(np.arange(10_000.0), np.arange(10_000.0))
    assert many is not None
    assert (len(many.points), many.photos) == (MOST_POINTS, 10_000)
    assert (many.points[0].row, many.points[-1].row) == (0, 9999)


def test_the_baseline_is_drawn_within_the_same_axes_for_the_photos_that_are_shown():
    found = scatter(np.array([1.0, 2.0, np.nan]), np.array([5.0, 6.0, 1.0]), (np.array([0, np.nan, 9]), np.zeros(3)))
    assert found is not None
    (point,) = found.baseline
    assert (point.row, point.values) == (0, (0.0, 0.0))
    assert found.x_range[0] < 0.0 < found.x_range[1] < 2.1
    assert found.y_range[0] < 0.0


def test_throughput_is_in_photos_a_minute():
    line = throughput(np.arange(0, 120.0))
    assert line is not None
    assert line.highest == pytest.approx(60, rel=0.6)
    assert line.seconds == 119
