"""Tables and pages of an evaluation, from scores that are made up."""

import csv
import json
import re
from types import SimpleNamespace

import pytest
from made_up_outcome import HIGHER, OURS, PLAIN, made_up_outcome, method

from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation.html_page import evaluation_page
from pasd_batch.evaluation.outcome import Outcome
from pasd_batch.evaluation.pages import to_csv, to_json, to_markdown
from pasd_batch.evaluation.protocols import TableColumn, protocol_of
from pasd_batch.evaluation.published import published_rows
from pasd_batch.evaluation.scores import MethodScores
from pasd_batch.evaluation.tables import (
    SECONDS,
    Verdict,
    difference_lines,
    measured_lines,
    to_table,
    trend,
)

COLUMNS = [TableColumn("psnr_ycbcr", "PSNR", 2), TableColumn("niqe", "NIQE", 2), TableColumn("fid", "FID", 1)]


def test_the_best_mean_is_marked_and_photos_without_a_value_are_left_out():
    ours, plain = measured_lines([OURS, PLAIN], COLUMNS, HIGHER)
    assert [cell.value for cell in ours.cells] == [23.0, 4.5, 30.0, 2.0]
    assert [cell.value for cell in plain.cells] == [22.25, 3.0, 40.0, 2.0]
    assert [cell.verdict for cell in ours.cells] == [Verdict.BEST, Verdict.NONE, Verdict.BEST, Verdict.NONE]
    assert ours.cells[0].interval == (22.0, 24.0)
    assert ours.cells[2].interval is None
    assert plain.cells[1].verdict is Verdict.BEST


def test_a_bound_has_no_best_and_what_is_above_is_told():
    column = TableColumn("grid_flat", "grid", 2, bound=1.2)
    scores = [
        MethodScores(name, photos=["a"], values={"grid_flat": [value]}) for name, value in (("x", 1.3), ("y", 0.9))
    ]
    assert [line.cells[0].verdict for line in measured_lines(scores, [column], HIGHER)] == [Verdict.ABOVE, Verdict.NONE]


def test_differences_are_taken_photo_by_photo():
    other = method("other", (30.0, 21.0, 23.5), (9.0, 5.0, 6.0), 25.0, photos=("c", "a", "b"))
    (line,) = difference_lines(OURS, [other], COLUMNS, HIGHER)
    psnr, niqe, fid = line.cells
    assert (psnr.value, psnr.interval, psnr.verdict) == (0.75, (0.5, 1.0), Verdict.BETTER)
    assert (niqe.value, niqe.verdict) == (-1.0, Verdict.BETTER)
    assert (fid.value, fid.interval, fid.verdict) == (5.0, None, Verdict.NONE)


def test_the_table_is_markdown_with_directions():
    head, rule, ours, plain = to_table(
        "method", measured_lines([OURS, PLAIN], COLUMNS, HIGHER), [*COLUMNS, SECONDS], HIGHER
    ).splitlines()
    assert head == "| method | PSNR ↑ | NIQE ↓ | FID ↓ | s/photo ↓ |"
    assert rule == "| --- | ---: | ---: | ---: | ---: |"
    assert ours == "| ours | **23.00** (22.00 to 24.00) | 4.50 (4.00 to 5.00) | **30.0** | 2.0 |"
    assert plain == "| plain | 22.25 (21.00 to 23.50) | **3.00** | 40.0 | 2.0 |"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1.0, 2.0, 3.0], "rises at every step"),
        ([3.0, 2.0, 1.5], "falls at every step"),
        ([1.0, 3.0, 2.5], "rises by 1.5 in all, but not at every step"),
        ([2.0, 2.0, 2.0], "does not change"),
    ],
)
def test_trends_say_whether_every_step_goes_one_way(values, told):
    assert trend(values) == told


def test_published_rows_have_a_source_and_the_fields_columns():
    columns = {
        column.name
        for column in protocol_of(EvaluationSettings(output="x", sets=[{"name": "a", "pairs": "b"}])).columns
    }
    rows = published_rows()
    assert {row.test_set for row in rows} == {"DIV2K-val", "RealSR", "DRealSR"}
    assert all(row.source and row.values.keys() == columns for row in rows)
    (pasd,) = (row for row in rows if (row.test_set, row.method) == ("RealSR", "PASD"))
    assert (pasd.values["psnr_ycbcr"], pasd.values["fid"]) == (25.21, 124.29)


@pytest.fixture
def outcome():
    return made_up_outcome()


def test_markdown_has_published_rows_and_trends_of_the_setting_that_was_varied(outcome):
    page = to_markdown(outcome)
    assert "## DIV2K-val (2 photos)" in page
    assert "| Real-ESRGAN, published | 24.29 | 0.6371 |" in page
    assert "Published rows: OSEDiff" in page
    assert "- PSNR ↑ towards larger sampling.alpha_a: rises at every step" in page
    assert "| alpha_a=0.25 | 21.50 (21.00 to 22.00) |" in page


def test_csv_has_a_line_for_each_number(outcome):
    rows = list(csv.DictReader(to_csv(outcome).splitlines()))
    ours = [row for row in rows if (row["method"], row["metric"]) == ("alpha_a=1", "psnr_ycbcr")]
    assert [(row["value"], row["low"], row["high"], row["photos"]) for row in ours] == [("22.0", "22.0", "22.0", "2")]
    (seesr,) = (row for row in rows if (row["method"], row["metric"]) == ("SeeSR", "fid"))
    assert (seesr["value"], seesr["published in"][:7]) == ("25.9", "OSEDiff")


def test_json_has_every_photos_values_and_no_number_that_is_none(outcome):
    document = json.loads(to_json(outcome), parse_constant=lambda text: pytest.fail(text))
    plain = document["sets"][0]["methods"][0]
    assert plain["values"]["niqe"] == [3.0, None]
    assert plain["photos"] == ["a", "b"]
    assert document["variants"][1]["point"] == {"sampling.alpha_a": 0.25}
    assert document["versions"]["pasd-batch"]


def test_the_page_has_curves_and_hostile_names_stay_text(outcome):
    page = evaluation_page(outcome, "/out/<script>alert(1)</script>", comparison="comparison.html")
    assert page.count("<polyline") == 3
    assert "<script>alert" not in page
    assert "alpha_a=0.25" in page
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_the_product_protocol_has_no_published_rows(outcome):
    protocol = SimpleNamespace(name="product", columns=outcome.columns)
    assert "published" not in to_markdown(Outcome(outcome.settings, protocol, outcome.sets, HIGHER, outcome.points))
