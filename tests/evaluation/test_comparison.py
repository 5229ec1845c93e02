"""Runs side by side, from their folders to what the command prints."""

import re

import pytest
from photo_archive import settings
from report_runs import result_row, stored_run

from pasd_batch.cli import main
from pasd_batch.evaluation.compared_runs import compare
from pasd_batch.evaluation.comparison import NothingInCommon, Verdict


def better(number: int, by: float, **values) -> dict:
    """The row of a photo whose PIQE after is lower, which is better, by so much."""
    row = result_row(number, **values)
    if row.get("scores") is not None:
        row["scores"] = row["scores"] | {"piqe_after": row["scores"]["piqe_after"] - by}
    return row


@pytest.fixture
def runs(tmp_path):
    first = stored_run(tmp_path / "a", [result_row(number, failed=number == 3) for number in range(10)])
    rows = [better(number, float(number), failed=number == 4) for number in range(2, 12)]
    second = stored_run(tmp_path / "b", rows[::-1], model_fingerprint="x" * 32)
    return first, second


def the_change(versus, name):
    return {each.column.name: each for each in versus.comparison.changes}[name]


def test_runs_are_joined_by_photo_and_compared_where_neither_failed(runs):
    (versus,) = compare(runs).comparisons
    photos = versus.comparison.photos
    assert (photos.compared, photos.only_first, photos.only_second) == (6, 2, 2)
    assert (photos.failed_first, photos.failed_second) == (1, 1)
    change = the_change(versus, "piqe_after")
    assert change.difference.photos == 6
    assert change.difference.mean == pytest.approx(-(2 + 5 + 6 + 7 + 8 + 9) / 6)
    assert change.difference.won == 1.0
    assert change.verdict is Verdict.BETTER
    assert (change.gained[0].name, change.gained[0].difference) == ("photo9", pytest.approx(-9.0))
    assert versus.scores_of(change.gained[0], "piqe_after") == (49.0, 40.0)
    assert change.lost == ()


def test_a_run_differs_from_itself_in_nothing(runs):
    compared = compare([runs[0], runs[0]])
    assert compared.differing == ()
    (versus,) = compared.comparisons
    changes = versus.comparison.changes
    assert [each.column.name for each in changes] == ["piqe_after", "fidelity_psnr"]
    assert all((each.difference.mean, each.difference.low, each.difference.high) == (0, 0, 0) for each in changes)
    assert all(each.gained == each.lost == () for each in changes)
    assert {each.verdict for each in changes} == {Verdict.SAME}


def test_same_results_and_other_inputs_or_sizes_are_counted(tmp_path):
    facts = {"input_sha256": "1" * 64, "output_sha256": "2" * 64, "output_width": 60}
    no_result = {"output_sha256": None, "output_width": None}  # as in a run that scores or audits
    first = stored_run(tmp_path / "a", [result_row(number, **facts) for number in range(4)])
    changed = [{}, {"input_sha256": "3" * 64}, {"output_sha256": "4" * 64, "output_width": 30}, no_result]
    second = stored_run(tmp_path / "b", [result_row(n, **facts | change) for n, change in enumerate(changed)])
    photos = compare([first, second]).comparisons[0].comparison.photos
    assert (photos.compared, photos.same_result, photos.other_input, photos.other_size) == (4, 2, 1, 1)


def test_what_runs_were_made_with_is_named_where_it_differs(tmp_path):
    def about(seed, base, manifest, torch):
        return {
            "config": {"restoration": {"sampling": {"seed": seed}}},
            "settings": {
                "restoration": {"sampling": {"seed": seed}, "model": {"base": base}},
                "workers": {"min": seed},
            },
            "manifest_fingerprint": manifest * 32,
            "software": {"pasd-batch": "0.1.0", "torch": torch},
        }

    runs = [
        stored_run(tmp_path / name, [result_row(number) for number in range(3)], **about(*values))
        for name, *values in (("a", 0, "x", "m", "2"), ("b", 1, "x", "n", "2"), ("c", 0, "y", "m", "3"))
    ]
    differing = {each.name: each.values for each in compare(runs).differing}
    assert differing.pop("manifest") == tuple(f"3 photos of photos.parquet ({name * 12})" for name in "mnm")
    assert differing == {
        "restoration.sampling.seed": ("0", "1", "0"),
        "restoration.model.base": ("x", "x", "y"),
        "version of torch": ("2", "2", "3"),
    }


def test_of_runs_in_other_modes_only_settings_that_both_have_are_told(tmp_path):
    def about(**changes):
        made = settings("/run", **{"metrics": {"no_reference": ["piqe"]}} | changes)
        return {"config": made.decisive(), "settings": made.model_dump(mode="json")}

    restored, audited, scored, other = (
        stored_run(tmp_path / name, [result_row(0), result_row(1)], **about(**changes))
        for name, changes in (
            ("a", {}),
            ("b", {"mode": "audit"}),
            ("c", {"mode": "score", "metrics": {"no_reference": ["niqe"]}}),
            ("d", {"restoration": {"sampling": {"seed": 7}}}),
        )
    )
    assert [(each.name, each.values) for each in compare([restored, audited]).differing] == [
        ("mode", ("'restore'", "'audit'"))
    ]
    assert {each.name: each.values for each in compare([restored, scored, other]).differing} == {
        "mode": ("'restore'", "'score'", "'restore'"),
        "metrics.no_reference": ("['piqe']", "['niqe']", "['piqe']"),
        "restoration.sampling.seed": ("0", "not set", "7"),
    }


def test_a_group_that_one_run_lacks_is_told_whole_of_all(tmp_path):
    def about(*steps):
        classes = [{"severity": 0.0, "steps": each, "fidelity": None} for each in steps]
        sampling = {"adaptation": {"scales": [{"classes": classes}]} if steps else None}
        return {"config": {"restoration": {"sampling": sampling}}}

    two, other, without = (
        stored_run(tmp_path / name, [result_row(0), result_row(1)], **about(*steps))
        for name, steps in (("a", (4, 8)), ("b", (4, 9)), ("c", ()))
    )
    path = "restoration.sampling.adaptation.scales"
    assert [(each.name, each.values) for each in compare([two, other]).differing] == [
        (f"{path}.0.classes.1.steps", ("8", "9"))
    ]
    whole = "[{{classes: [{{severity: 0.0, steps: 4}}, {{severity: 0.0, steps: {}}}]}}]"
    assert [(each.name, each.values) for each in compare([two, other, without]).differing] == [
        (path, (whole.format(8), whole.format(9), "not set"))
    ]


def test_a_run_is_compared_with_plain_enlargement_of_its_photos(runs):
    (versus,) = compare(runs[:1]).comparisons
    (change,) = versus.comparison.changes
    assert (change.column.name, change.difference.first) == ("piqe_after", 80.0)
    assert change.difference.second == pytest.approx(sum(40 + n for n in range(10) if n != 3) / 9)
    assert versus.scores_of(change.gained[0], "piqe_after") == (80.0, 40.0)


def test_runs_without_a_common_photo_are_refused(runs, tmp_path):
    other = stored_run(tmp_path / "other", [result_row(number) for number in range(100, 104)])
    with pytest.raises(NothingInCommon, match="such as 'photo0' in the first and such as 'photo100' in the second"):
        compare([runs[0], other])


def test_the_command_prints_a_page_and_conditions_decide_the_exit_code(runs, capsys):
    uris = [run.storage.uri() for run in runs]
    assert main(["compare", *uris]) == 0
    page = capsys.readouterr().out
    assert f"# {uris[1]} against {uris[0]}\n" in page
    assert re.search(r"^\| model weights \| w{32} \| x{32} \|$", page, re.MULTILINE)
    assert "| piqe_after (lower is better) | 6 |" in page
    assert "6 photos failed in neither. 1 failed in the first alone." in page
    assert main(["compare", *uris, "--fail-if", "piqe_after < -6"]) == 1
    assert "piqe_after differs by -6.167" in capsys.readouterr().err
    assert main(["compare", *uris, "--fail-if", "piqe_after < -7"]) == 0
    assert main(["compare", uris[0]]) == 0
    assert "plain enlargement (Lanczos)" in capsys.readouterr().out
    assert main(["compare", uris[0], uris[0], uris[1], "--fail-if", "piqe_after < -6"]) == 1


@pytest.mark.parametrize(
    ("condition", "told"), [("musiq_after < 1", "score 'musiq_after' is not in both runs"), ("x", "write it as")]
)
def test_conditions_that_cannot_be_told_are_errors(runs, capsys, condition, told):
    assert main(["compare", *(run.storage.uri() for run in runs), "--fail-if", condition]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [(["-o", "page.txt"], "whose name ends in .html"), (["--photos", "-1"], "--photos -1 is below 0")],
)
def test_a_page_that_cannot_be_written_is_an_error(runs, capsys, options, told):
    assert main(["compare", runs[0].storage.uri(), *options]) == 2
    assert told in capsys.readouterr().err
