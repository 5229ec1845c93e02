"""Intervals, tables and what is written about a measurement."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from evaluation.measuring import Measurement
from evaluation.photo_sets import PHOTO_SETS, SampleKey
from evaluation.results import as_json, write_json
from evaluation.tables import difference_table, quality_table, scores_of

from pasd_batch.pasd.geometry import Size


def measurement(photo: str, method: str, psnr: float | None, niqe: float, seconds: float | None = 1.0) -> Measurement:
    key = SampleKey(PHOTO_SETS["x4-full"], photo, 7, Size(16, 24), Size(64, 96), "abc")
    return Measurement(key, method, method.lower(), seconds, "a machine", {"psnr": psnr, "niqe": niqe})


MEASURED = [
    measurement("a", "Ours", 22.0, 4.0),
    measurement("b", "Ours", 24.0, 5.0),
    measurement("a", "Plain", 21.0, 3.0),
    measurement("b", "Plain", 23.5, 6.0),
]


def test_the_table_shows_means_directions_and_the_best() -> None:
    head, rule, ours, plain = quality_table(MEASURED).splitlines()
    assert head == "| method | PSNR ↑ | NIQE ↓ | s/photo ↓ |"
    assert rule == "| --- | ---: | ---: | ---: |"
    assert ours.startswith("| Ours | **23.00** (22.00 to 24.00) | **4.50** (4.00 to 5.00) |")
    assert plain.startswith("| Plain | 22.25 (21.00 to 23.50) | **4.50** (3.00 to 6.00) |")


def test_the_grid_has_a_bound_and_no_best() -> None:
    rows = [
        replace(each, scores={"grid_flat": value}) for each, value in zip(MEASURED, (1.3, 1.2, 0.9, 1.0), strict=True)
    ]
    head, _, ours, plain = quality_table(rows).splitlines()
    assert head.startswith("| method | grid, flat ≤ 1.2 |")
    assert ours.startswith("| Ours | 1.25 (1.20 to 1.30) above |")
    assert plain.startswith("| Plain | 0.95 (0.90 to 1.00) |")


def test_a_photo_without_a_value_is_left_out_of_the_mean() -> None:
    rows = [measurement("a", "Ours", None, 4.0), measurement("b", "Ours", 20.0, 4.0, seconds=None)]
    assert scores_of(rows)[0].mean("psnr") == 20.0
    assert quality_table([measurement("a", "Ours", None, 4.0)]).splitlines()[2].startswith("| Ours | – |")


def test_differences_are_taken_photo_by_photo() -> None:
    row = difference_table(MEASURED, method="Ours").splitlines()[2]
    assert row.startswith("| Plain | +0.75 (+0.50 to +1.00) better | +0.00 (-1.00 to +1.00) |")
    worse = difference_table(MEASURED, method="Plain").splitlines()[2]
    assert worse.startswith("| Ours | -0.75 (-1.00 to -0.50) worse |")


def test_the_record_has_every_value_and_no_folder_of_this_machine(tmp_path: Path) -> None:
    options = argparse.Namespace(photos=tmp_path / "photos", model=None, variant=[["full", tmp_path / "full"]])
    write_json(tmp_path / "quality.json", {"sets": {"x4-full": as_json(MEASURED)}}, options)
    text = (tmp_path / "quality.json").read_text()
    found = json.loads(text)
    assert str(tmp_path) not in text
    assert found["options"] == {"photos": "photos", "model": None, "variant": [["full", "full"]]}
    assert found["versions"]["torch"] != "not installed"
    assert len(found["sets"]["x4-full"]["photos"]) == 4
    assert found["sets"]["x4-full"]["photos"][0]["seed"] == 7
    assert found["sets"]["x4-full"]["means"]["Ours"]["psnr"]["mean"] == 23.0
