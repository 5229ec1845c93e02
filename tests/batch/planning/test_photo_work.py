"""Effort of a photo, told from its row and the settings."""

import json

import pyarrow as pa
import pytest

from pasd_batch.batch.planning.estimate import PlanSummary
from pasd_batch.batch.planning.photo_work import photo_work
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.manifests.workload import workload


@pytest.mark.parametrize(
    ("usual", "own", "effort"),
    [
        ({"steps": 20, "step_cache": 2}, {"steps": 10}, 0.5),
        ({"steps": 20, "step_cache": 20}, {"steps": 1}, 1 / (1 + 19 * 0.09)),
        ({"steps": 20}, {"guidance_scale": 1}, 0.5),
        ({"steps": 20}, {"fidelity": 1}, 0.5),
    ],
)
def test_the_effort_of_a_photo_with_own_settings_counts_the_evaluations_of_the_networks(usual, own, effort):
    named = {"base": "base", "control": "control"}
    tells = photo_work(RestorationSettings.parse({"model": named, "sampling": usual | {"scale": 1}}))
    assert tells(500, 500, None).effort == 1.0
    assert tells(500, 500, json.dumps(own)).effort == pytest.approx(effort)


def test_second_tries_are_told_apart_and_count_for_the_largest_photo():
    tried = {"sampling": {"scale": 2, "retry_weak": {"enabled": True}}}
    once = {"sampling": {"scale": 2}}
    tells = photo_work(RestorationSettings.parse({"passes": [tried, once]}))
    first, both = photo_work(RestorationSettings.parse(tried))(1000, 800, None), tells(1000, 800, None)
    assert (both.second_tries, both.tiles > first.tiles) == (first.tiles, True)
    table = pa.table({"uri": ["a"], "width": [1000], "height": [800]})
    load = workload(table, tells)
    assert load.most_effort == both.effort + both.second_tries
    summary = PlanSummary(photos=1, shards=1, work=load)
    one, two = (summary.seconds(seconds_per_tile=1, workers=1, second_tries=each) for each in (False, True))
    assert (one, two) == (both.effort, both.effort + both.second_tries)
