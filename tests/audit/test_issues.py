"""Issues: thresholds are those of the settings, and severity grows from there to the worst value."""

import numpy as np
import pytest

from pasd_batch.audit.issues import ISSUES, severities
from pasd_batch.config.audit import AuditSettings

NAMES = [issue.name for issue in ISSUES]


def told(settings=None, **measures):
    """Severities of one photo that has these measures, and no other."""
    values = {issue.measure: np.array([measures.get(issue.measure, np.nan)], float) for issue in ISSUES}
    found = severities(values, settings or AuditSettings())
    return {name: float(value[0]) for name, value in found.items() if np.isfinite(value[0])}


def test_every_setting_is_an_issue_and_every_issue_but_failure_has_a_setting():
    assert {*NAMES} - {"unreadable"} == {*AuditSettings.model_fields}


@pytest.mark.parametrize(
    ("measure", "none", "threshold", "half", "worst", "name"),
    [
        ("brightness_99", 0.33, 0.32, 0.16, 0.0, "dark"),
        ("brightness_05", 0.94, 0.95, 0.975, 1.0, "light"),
        ("contrast", 0.3, 0.25, 0.125, 0.0, "low_contrast"),
        ("entropy", 3.1, 3.0, 1.5, 0.0, "low_information"),
        ("blur", 1.9, 2.0, 4.0, 6.0, "blurry"),
        ("noise", 9.0, 10.0, 25.0, 40.0, "noisy"),
        ("jpeg", 1.7, 1.8, 3.9, 6.0, "compressed"),
        ("size_deviation", 2.9, 3.0, 6.5, 10.0, "odd_size"),
        ("aspect", 0.36, 0.35, 0.175, 0.0, "odd_aspect"),
        ("border", 0.01, 0.02, 0.26, 0.5, "borders"),
        ("screen", 0.2, 0.25, 0.625, 1.0, "printed"),
        ("cast", 8.0, 9.0, 24.5, 40.0, "color_cast"),
        ("likeness", 57.0, 57.5, 60.75, 64.0, "near_duplicate"),
    ],
)
def test_severity_grows_from_the_threshold_to_the_worst_value(measure, none, threshold, half, worst, name):
    assert told(**{measure: none}) == {}
    assert told(**{measure: threshold}) == {}
    assert told(**{measure: half}) == {name: pytest.approx(0.5)}
    assert told(**{measure: worst}) == {name: 1.0}
    beyond = worst + (worst - threshold)
    assert told(**{measure: beyond}) == {name: 1.0}


def test_what_is_no_matter_of_degree_has_one_severity():
    assert told(failed=1.0) == {"unreadable": 1.0}
    assert told(grayscale=1.0, odd_profile=1.0, no_profile=1.0, exact_duplicate_of_another=1.0) == {
        "grayscale": 0.25,
        "odd_profile": 0.5,
        "no_profile": 0.1,
        "exact_duplicate": 1.0,
    }
    assert told(failed=0.0, grayscale=0.0, odd_profile=0.0, no_profile=0.0, exact_duplicate_of_another=0.0) == {}


def test_issues_can_be_left_out_and_thresholds_be_others():
    off = dict.fromkeys(AuditSettings.model_fields, None) | dict.fromkeys(
        ("grayscale", "odd_profile", "no_profile", "exact_duplicate"), False
    )
    everything = {issue.measure: issue.worst for issue in ISSUES}
    assert told(AuditSettings.parse(off), **everything) == {"unreadable": 1.0}
    assert told(AuditSettings.parse({"noisy": 20.0}), noise=15.0) == {}
    assert told(AuditSettings.parse({"noisy": 50.0}), noise=60.0) == {"noisy": 1.0}
    assert told(AuditSettings.parse({"near_duplicate": 0}), likeness=63.0) == {}
    assert told(AuditSettings.parse({"near_duplicate": 0}), likeness=64.0) == {"near_duplicate": 1.0}
