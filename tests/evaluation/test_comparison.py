"""Runs side by side, from their folders to what the command prints."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from report_runs import SCORES, result_row, run_file

from pasd_batch.cli.main import main
from pasd_batch.config.storage import StorageSettings
from pasd_batch.evaluation.comparison import compare_runs, compare_with_baseline
from pasd_batch.records import result_schema
from pasd_batch.runs.run_folder import RunFolder


def make_run(root: Path, rows: list[dict], **about) -> RunFolder:
    folder = RunFolder.open(str(root), StorageSettings())
    folder.storage.write("run.json", json.dumps(asdict(run_file(len(rows), **about))).encode())
    schema = result_schema([], SCORES, with_images=False)
    complete = [{name: row.get(name) for name in schema.names} for row in rows]
    folder.commit(0, complete[: len(rows) // 2], schema)
    folder.commit(1, complete[len(rows) // 2 :], schema)
    return folder


def better(number: int, by: float, **values) -> dict:
    """The row of a photo whose PIQE after is lower, which is better, by so much."""
    row = result_row(number, **values)
    if row.get("scores") is not None:
        row["scores"] = row["scores"] | {"piqe_after": row["scores"]["piqe_after"] - by}
    return row


@pytest.fixture
def runs(tmp_path):
    first = make_run(tmp_path / "a", [result_row(number, failed=number == 3) for number in range(10)])
    rows = [better(number, float(number), failed=number == 4) for number in range(2, 12)]
    second = make_run(tmp_path / "b", rows[::-1], model_fingerprint="x" * 32)
    return first, second


def test_runs_are_joined_by_photo_and_compared_where_neither_failed(runs):
    found = compare_runs(*runs)
    assert (found.photos, found.only_first, found.only_second) == (6, 2, 2)
    assert (found.failed_first, found.failed_second) == (1, 1)
    change = {each.name: each for each in found.changes}["piqe_after"]
    assert change.difference.photos == 6
    assert change.difference.mean == pytest.approx(-(2 + 5 + 6 + 7 + 8 + 9) / 6)
    assert change.difference.won == 1.0
    assert change.gained[0] == ("photo9", pytest.approx(-9.0))
    assert change.lost == ()
    assert found.settings == (f"model weights: {'w' * 32} in the first, {'x' * 32} in the second",)


def test_a_run_differs_from_itself_in_nothing(runs):
    found = compare_runs(runs[0], runs[0])
    assert found.settings == ()
    assert all((each.difference.mean, each.difference.low, each.difference.high) == (0, 0, 0) for each in found.changes)
    assert all(each.gained == each.lost == () for each in found.changes)


def test_a_run_is_compared_with_plain_enlargement_of_its_photos(runs):
    (change,) = compare_with_baseline(runs[0]).changes
    assert (change.name, change.difference.first) == ("piqe_after", 80.0)
    assert change.difference.second == pytest.approx(sum(40 + n for n in range(10) if n != 3) / 9)


def test_the_command_prints_a_page_and_conditions_decide_the_exit_code(runs, capsys):
    uris = [run.storage.uri() for run in runs]
    assert main(["compare", *uris]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"# {uris[1]} against {uris[0]}\n")
    assert "| piqe\\_after (lower is better) | 6 |" in page.replace("piqe_after", "piqe\\_after")
    assert "6 photos failed in neither. 1 failed in the first alone." in page
    assert main(["compare", *uris, "--fail-if", "piqe_after < -6"]) == 1
    assert "piqe_after differs by -6.167" in capsys.readouterr().err
    assert main(["compare", *uris, "--fail-if", "piqe_after < -7"]) == 0
    assert main(["compare", uris[0]]) == 0
    assert "plain enlargement (Lanczos)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("condition", "told"), [("musiq_after < 1", "score 'musiq_after' is not in both runs"), ("x", "write it as")]
)
def test_conditions_that_cannot_be_told_are_errors(runs, capsys, condition, told):
    assert main(["compare", *(run.storage.uri() for run in runs), "--fail-if", condition]) == 2
    assert told in capsys.readouterr().err
