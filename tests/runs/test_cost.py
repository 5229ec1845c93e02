"""Cost of a run from the time of its workers, in status, report and summary."""

import json

import pytest
from tiny_run import PHOTOS, TinyRun

from pasd_batch.cli.status import price, prices_of
from pasd_batch.config.base import ConfigError
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.workers import WorkerSettings
from pasd_batch.report.run_report import write_report
from pasd_batch.runs.cost import RunningCost, price_of, run_cost, unpriced_lines
from pasd_batch.runs.status import read_status
from pasd_batch.runs.summary import RunCounts


def counts(**values):
    return RunCounts(**({"photos": 100, "megapixels": 50.0, "worker_seconds": {"spot": 7200.0, "": 3600.0}} | values))


@pytest.mark.parametrize(
    ("prices", "kind", "expected"),
    [
        (1.5, "spot", 1.5),
        (1.5, None, 1.5),
        ({"spot": 0.4, "default": 1.2}, "spot", 0.4),
        ({"spot": 0.4, "default": 1.2}, "a10g", 1.2),
        ({"spot": 0.4, "default": 1.2}, None, 1.2),
        ({"spot": 0.4}, "a10g", None),
        (None, "spot", None),
    ],
)
def test_the_price_of_a_node(prices, kind, expected):
    assert price_of(prices, kind) == expected


def test_cost_so_far_and_to_the_end_a_photo_and_a_megapixel():
    cost = run_cost(counts(), 2.0, planned=400)
    assert (cost.so_far, cost.worker_hours, cost.in_all) == (6.0, 3.0, 24.0)
    assert (cost.per_photo, cost.per_megapixel) == (0.06, 0.12)
    assert cost.line() == (
        "cost: 6.00 so far, about 24.00 in all (18.00 to go); 0.06 a photo; 0.12 a megapixel; 3.00 worker hours"
    )
    assert run_cost(counts(), 2.0, planned=100).line().startswith("cost: 6.00; 0.06 a photo")


def test_nodes_without_a_price_are_named_and_not_counted():
    cost = run_cost(counts(), {"spot": 0.5}, planned=100)
    assert cost.so_far == 1.0
    assert cost.line().endswith("without price, and not in it: nodes of type unknown")
    none = run_cost(counts(), {"a10g": 0.5}, planned=400)
    assert (none.so_far, none.per_photo, none.per_megapixel, none.in_all) == (None,) * 4
    assert (
        none.line() == "cost: not known; 3.00 worker hours; without price, and not in it: nodes of type spot, unknown"
    )
    assert price_of({"a10g": 0.5}, "spot") is None
    assert unpriced_lines({"a10g": 0.5}, "a10g") == unpriced_lines(None, "spot") == []


def test_nothing_done_and_no_price():
    assert run_cost(RunCounts(), 1.0, planned=10).line() == "cost: nothing yet"
    assert run_cost(counts(), None, planned=10) is None
    assert RunningCost.after(counts(), None) is None


def test_a_resumed_run_goes_on_counting():
    cost = RunningCost.after(counts(), {"spot": 1.0, "default": 2.0})
    cost.add(100, 3600.0, "spot")
    assert cost.so_far == 5.0
    assert cost.in_all(1000) == 25.0
    cost.add(100, 3600.0, "a10g")
    cost.prices = {"spot": 1.0}
    cost.add(100, 3600.0, "a10g")  # without a price
    assert (cost.so_far, cost.photos) == (7.0, 300)
    assert RunningCost(1.0).in_all(10) is None


def test_rows_have_the_time_of_their_worker_and_status_and_report_the_cost(tmp_path):
    run = TinyRun(tmp_path)
    seconds = [row["worker_seconds"] for row in run.rows]
    assert all(taken > 0 for taken in seconds)
    assert {row["node_type"] for row in run.rows} == {None}
    summary = json.loads((run.root / "summary.json").read_text())
    assert summary["worker_seconds"] == {"": pytest.approx(sum(seconds), abs=0.01)}
    assert summary["megapixels"] > 0
    assert read_status(str(run.root), StorageSettings()).cost is None
    status = read_status(str(run.root), StorageSettings(), prices={"default": 3600.0})
    assert status.cost.so_far == pytest.approx(sum(seconds), abs=0.01)
    assert any(line.startswith("cost: ") for line in status.lines())
    run_file = json.loads((run.root / "run.json").read_text())
    run_file["settings"]["workers"]["price_per_hour"] = 3600.0
    (run.root / "run.json").write_text(json.dumps(run_file))
    write_report(str(run.root), StorageSettings(), photos=0)
    line = read_status(str(run.root), StorageSettings()).cost.line()
    assert line in (run.root / "report/summary.md").read_text()
    assert line.removeprefix("cost") in (run.root / "report/index.html").read_text()
    assert len(run.rows) == PHOTOS


def test_prices_as_typed():
    assert prices_of([price("1.5")]) == {"default": 1.5}
    assert prices_of([price("spot=0.4"), price("1")]) == {"spot": 0.4, "default": 1.0}
    assert prices_of([]) is None
    with pytest.raises(Exception, match="0 or more"):
        price("spot=-1")
    assert WorkerSettings.parse({"price_per_hour": {"spot": 0.4}}).price_per_hour == {"spot": 0.4}
    with pytest.raises(ConfigError, match="price_per_hour"):
        WorkerSettings.parse({"price_per_hour": -1.0})
