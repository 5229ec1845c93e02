"""Metrics as Prometheus scrapes them from a node of Ray, while a run goes on, and the dashboard that asks for them."""

import json
import os
import re
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import promql_parser
import pytest
import tiny_models
from photo_archive import settings

from pasd_batch.batch.driver.run import run_archive
from pasd_batch.cluster import metrics
from pasd_batch.cluster.metrics import METRICS, MetricKind, RunMetrics

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
SCRAPE_SECONDS = 120.0
SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def expressions():
    """Queries of the dashboard in PromQL; of `label_values(SELECTOR, LABEL)`, which is Grafana's own, the selector."""
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    variables = [each["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return [*targets, *(re.fullmatch(r"label_values\((.*), run\)", query)[1] for query in variables)]


def nodes(expression, kind):
    """Parts of a query, of one kind, as a parser of PromQL finds them, which knows functions and their types."""
    found = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return [node for node in found if isinstance(node, kind)]


def selectors(expression):
    """What a query asks for: each metric's name, and the labels that must have a value."""
    return [
        (each.name, {matcher.name: matcher.value for matcher in each.matchers.matchers})
        for each in nodes(expression, promql_parser.VectorSelector)
    ]


def served_name(metric):
    return f"ray_{metric.name}{'_total' if metric.kind is MetricKind.COUNTER else ''}"


def served_names(metric):
    parts = ("_bucket", "_sum", "_count") if metric.kind is MetricKind.HISTOGRAM else ("",)
    return {served_name(metric) + part for part in parts}


def scrape():
    """Samples of the node's metrics port: name, labels, value."""
    import ray

    (node,) = ray.nodes()
    with urllib.request.urlopen(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics") as answer:
        text = answer.read().decode()
    return [(name, dict(LABEL.findall(labels)), float(value)) for name, labels, value in SAMPLE.findall(text)]


def total(samples, name, **labels):
    found = [value for each, of, value in samples if each == name and labels.items() <= of.items()]
    assert found, (name, labels)
    return sum(found)


@pytest.mark.parametrize(
    ("run", "label"),
    [("/archive/50% #1", "/archive/50% #1"), ("/archive/\u00fc", "/archive/%C3%BC"), ("s3://b/a\n", "s3://b/a%0A")],
)
def test_the_address_of_a_run_is_a_label_in_ascii(monkeypatch, run, label):
    told = []
    recorder = SimpleNamespace(set=lambda value, tags: told.append(tags))
    monkeypatch.setattr(metrics, "ray_runs", lambda: True)
    monkeypatch.setattr(RunMetrics, "_metric_of_ray", lambda self, metric: recorder)
    RunMetrics(run).queues(loading=1, ready=0, storing=0)
    assert {tags["run"] for tags in told} == {label}


def two_shards_are_told(samples):
    """True once both workers' first shards are served; a worker is served every few seconds, each at its own time."""
    photos = total(samples, "ray_pasd_batch_photos_total", status="ok")
    committed = total(samples, "ray_pasd_batch_shards_total", state="committed")
    return committed >= 2 and photos >= 6 and photos == total(samples, "ray_pasd_batch_tiles_total")


@pytest.fixture(scope="module")
def samples(ray_cluster, archive, tmp_path_factory):
    """What is served of a run that is half done and held there, once every metric and two shards of photos are."""
    root, hold = tmp_path_factory.mktemp("metrics") / "run", Path(os.environ["PASD_TEST_HOLD"])
    hold.write_text("5")
    options = {"show_progress": False, "loaders": tiny_models.HELD}
    run_settings = settings(
        root, archive.manifest, shard_size=3, max_error_rate=0.5, workers={"price_per_hour": 3600.0}
    )
    driver = threading.Thread(target=run_archive, args=(run_settings,), kwargs=options)
    driver.start()
    wanted = {name for metric in METRICS for name in served_names(metric)} - served_names(metrics.RETRIES)
    try:
        deadline, found = time.monotonic() + SCRAPE_SECONDS, []
        while not (wanted <= {name for name, _, _ in found} and two_shards_are_told(found)):
            assert time.monotonic() < deadline, (wanted - {name for name, _, _ in found}, found)
            time.sleep(0.5)
            found = [(name, labels, value) for name, labels, value in scrape() if labels.get("run") == str(root)]
    finally:
        hold.unlink()
        driver.join()
    return found


def test_every_metric_is_served_under_its_name_with_its_labels(samples):
    by_name = {name: labels for name, labels, _ in samples}
    for metric in METRICS:
        for name in served_names(metric) & by_name.keys():
            assert {"run", *metric.labels} <= by_name[name].keys(), name


def test_values_are_those_of_the_run(samples):
    assert total(samples, "ray_pasd_batch_run_photos", state="planned") == 30
    assert 6 <= total(samples, "ray_pasd_batch_photos_total", status="ok") <= 10
    assert total(samples, "ray_pasd_batch_pixels_total") > 6 * 24 * 32
    assert total(samples, "ray_pasd_batch_bytes_total", direction="input") > 0
    assert total(samples, "ray_pasd_batch_shards_total", state="committed") >= 2
    assert (
        0
        < total(samples, "ray_pasd_batch_run_cost", state="so_far")
        < total(samples, "ray_pasd_batch_run_cost", state="in_all")
    )
    assert total(samples, "ray_pasd_batch_gpu_memory_bytes", kind="total") == 0


@pytest.mark.parametrize("expression", expressions())
def test_a_query_of_the_dashboard_asks_for_what_is_served(samples, expression):
    assert selectors(expression)
    for name, labels in selectors(expression):
        assert labels.pop("run", "$run") == "$run"
        served = [of for each, of, _ in samples if each == name and labels.items() <= of.items()]
        assert served or name in served_names(metrics.RETRIES), (name, labels)


def test_the_dashboard_shows_every_metric_and_groups_by_labels_that_are_there():
    shown = {name for expression in expressions() for name, _ in selectors(expression)}
    assert all(served_names(metric) & shown for metric in METRICS)
    known = {"run", "le", *(label for metric in METRICS for label in metric.labels)}
    for expression in expressions():
        for sums in nodes(expression, promql_parser.AggregateExpr):
            assert sums.modifier is None or set(sums.modifier.labels) <= known, expression


def test_every_metric_is_documented_with_its_unit_and_meaning():
    lines = (ROOT / "docs/deploy.md").read_text().splitlines()
    for metric in METRICS:
        (line,) = [line for line in lines if line.startswith(f"| `{served_name(metric)}` ")]
        assert f"| {metric.unit} |" in line
        assert metric.description in line


def test_nothing_is_measured_where_ray_does_not_run(monkeypatch):
    monkeypatch.setattr(metrics, "ray_runs", lambda: False)
    monkeypatch.setattr(RunMetrics, "_metric_of_ray", lambda *_: pytest.fail("a metric was made"))
    measured = RunMetrics("/run")
    measured.photo({"status": "ok", "seconds": {"fetch": 0.1}, "tiles": 3})
    measured.queues(loading=1, ready=2, storing=3)
    measured.progress(planned=3, done=1, failed=0, in_work=1)


class RecordedMetric:
    def __init__(self):
        self.values = {}

    def inc(self, value, tags):
        kind = tags.get("kind", tags.get("stage"))
        self.values[kind] = self.values.get(kind, 0) + value

    def set(self, value, tags):
        self.values[tags.get("kind")] = value

    observe = inc


def test_the_time_of_a_stage_is_summed_up_as_it_is(monkeypatch):
    """Ray makes the sum of a histogram up from its buckets."""
    summed, others = RecordedMetric(), RecordedMetric()
    monkeypatch.setattr(metrics, "ray_runs", lambda: True)
    of_ray = {metrics.STAGE_TIME: summed}
    monkeypatch.setattr(RunMetrics, "_metric_of_ray", lambda self, metric: of_ray.get(metric, others))
    measured = RunMetrics("/run")
    for seconds in (0.003, 0.004):
        measured.photo({"status": "ok", "seconds": {"fetch": seconds, "decode": 2 * seconds, "store": None}})
    assert summed.values == {"fetch": pytest.approx(0.007), "decode": pytest.approx(0.014)}


def test_work_done_again_is_counted_by_kind(monkeypatch):
    retried, others, so_far = RecordedMetric(), RecordedMetric(), iter([4, 7, 7])
    monkeypatch.setattr(metrics, "ray_runs", lambda: True)
    monkeypatch.setattr(metrics, "retries_so_far", lambda: next(so_far))
    of_ray = {metrics.RETRIES: retried}
    monkeypatch.setattr(RunMetrics, "_metric_of_ray", lambda self, metric: of_ray.get(metric, others))
    measured = RunMetrics("/run")
    measured.attempt(0)
    measured.photo({"status": "ok", "out_of_memory_retries": 2, "float32_retry": True})
    measured.photo({"status": "ok", "out_of_memory_retries": 0, "float32_retry": False})
    measured.attempt(1)
    assert retried.values == {"storage": 3, "memory": 2, "float32": 1, "shard": 1}
