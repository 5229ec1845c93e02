"""Differences between runs: told by what differs, for people."""

import dataclasses

from photo_archive import settings

from pasd_batch.runs.run_differences import differences_between
from pasd_batch.runs.run_file import describe_run

SAME = {"manifest_fingerprint": "m", "photos": 3, "model_fingerprint": "model", "score_columns": ()}
MAP = {
    "scales": [
        {"up_to_scale": 1.0, "noise_sigma": [1.0, 4.0], "classes": [{"severity": 0.0, "kept_frequencies": 0.5}]},
        {"classes": [{"severity": 0.0}, {"severity": 0.5, "steps": 4}]},
    ]
}


def run_with(adaptation):
    sampling = {"adapt": adaptation is not None, "adaptation": adaptation, "kept_frequencies": 0.0}
    described = describe_run(settings("/run", restoration={"sampling": sampling}), **SAME)
    config = described.config["restoration"]["sampling"]
    return dataclasses.replace(described, config={"restoration": {"sampling": {"adaptation": config["adaptation"]}}})


def lines(first, second):
    return [each.line("here", "there") for each in differences_between(run_with(first), run_with(second))]


def test_of_a_map_of_adaptation_what_differs_in_it_is_told_by_its_path():
    small, large = MAP["scales"]
    other = {"scales": [small | {"noise_sigma": None}, {"classes": [*large["classes"], {"severity": 0.9}]}]}
    within = "restoration.sampling.adaptation.scales"
    assert lines(MAP, other) == [
        f"{within}.0.noise_sigma: [1.0, 4.0] here, None there",
        f"{within}.1.classes.2: not set here, {{severity: 0.9}} there",
    ]
    assert lines(MAP, MAP) == []


def test_a_map_beside_none_is_short_and_in_the_notation_of_settings():
    (line,) = lines(None, MAP)
    assert line.startswith(
        "restoration.sampling.adaptation.scales: not set here, [{up_to_scale: 1.0, noise_sigma: [1.0,"
    )
    assert len(line) < 300
    assert "None" not in line
