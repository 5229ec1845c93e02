"""Where everything lies in a run's folder: fixed, as runs of earlier versions go on, and written in one module."""

import ast
from pathlib import Path

import pytest

from pasd_batch.runs import layout

ROOT = Path(__file__).parents[2]
FOLDERS = {value for name, value in vars(layout).items() if name.endswith("_FOLDER")} | {"starts", "deaths"}
FILES = ("run.json", "summary.json", "index.html", "summary.md", "contact_sheet.png", "row.parquet")
BEGINNINGS = ("shard-", "photo-", "manifest-", "rows-", ".pasd-batch-list")
OTHER_MEANINGS = {
    ("pasd_batch/cli/plan.py", "plan"): "a command",
    ("pasd_batch/cli/report.py", "report"): "a command",
    ("pasd_batch/config/manifest.py", "images"): "a format of manifests",
    ("pasd_batch/config/passes.py", "passes"): "a setting",
    ("pasd_batch/batch/driver/dry_run.py", "passes"): "a setting",
    ("benchmarks/harm.py", "passes"): "a setting",
    **dict.fromkeys(
        (
            ("benchmarks/audit.py", "issues"),
            ("pasd_batch/audit/columns.py", "issues"),
            ("pasd_batch/audit/conditions.py", "issues"),
            ("pasd_batch/audit/table.py", "issues"),
            ("pasd_batch/report/audit_tables.py", "issues"),
            ("pasd_batch/report/html/audit_digest.py", "issues"),
            ("pasd_batch/report/html/rows_data.py", "issues"),
        ),
        "a column",
    ),
    ("pasd_batch/config/restoration.py", "passes"): "a setting",
    ("pasd_batch/batch/worker/shard_worker.py", "damaged"): "a state",
    **{
        ("pasd_batch/evaluation/layout.py", name): "of an evaluation, which has a layout of its own"
        for name in ("manifest-without-captions.parquet", "report", "/index.html")
    },
    ("pasd_batch/cli/results.py", "results"): "a command",
    ("pasd_batch/batch/driver/on_finish.py", "results"): "a key of what a webhook gets",
    ("pasd_batch/export/run_rows.py", "images"): "whether images are exported, in the mark of an export",
    ("pasd_batch/export/parts.py", "shard-"): "archives of an export",
    ("benchmarks/evaluation/options.py", "results"): "a folder of the benchmark's own",
    ("benchmarks/plan.py", "/photo-"): "photos to plan",
}


def test_every_file_of_a_run_has_its_place():
    assert {
        "run": layout.RUN_FILE,
        "summary": layout.SUMMARY_FILE,
        "plan": layout.plan_path(7),
        "result": layout.result_path(1234567),
        "image": layout.image_path("1911/a.png"),
        "pass": layout.pass_path(1, "1911/a.png"),
        "attempts": layout.attempts_folder(7),
        "starts": layout.starts_folder(7, 12),
        "deaths": layout.deaths_folder(7, 12),
        "row": layout.isolated_row_path(7, 12),
        "kept": layout.kept_rows_path(7),
        "damaged": layout.damaged_path("plan/shard-000007.parquet"),
        "list": layout.photo_list_path("0123456789abcdef"),
        "page": layout.REPORT_PAGE,
        "numbers": layout.REPORT_SUMMARY,
        "data": layout.report_data_path(3),
        "sheet": layout.REPORT_SHEET,
    } == {
        "run": "run.json",
        "summary": "summary.json",
        "plan": "plan/shard-000007.parquet",
        "result": "results/shard-1234567.parquet",
        "image": "images/1911/a.png",
        "pass": "passes/1/1911/a.png",
        "attempts": "attempts/000007",
        "starts": "attempts/000007/photo-000012/starts",
        "deaths": "attempts/000007/photo-000012/deaths",
        "row": "attempts/000007/photo-000012/row.parquet",
        "kept": "repair/shard-000007.parquet",
        "damaged": "damaged/plan/shard-000007.parquet",
        "list": "manifest-0123456789ab.parquet",
        "page": "report/index.html",
        "numbers": "report/summary.md",
        "data": "report/data/rows-0003.js",
        "sheet": "report/contact_sheet.png",
    }


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        ("shard-000007.parquet", 7),
        ("shard-1234567.parquet", 1234567),
        ("shard-7.parquet", None),
        ("shard-0000007.parquet", None),
        ("shard-000007.parquet.tmp", None),
        ("a/shard-000007.parquet", None),
    ],
)
def test_a_shards_file_is_known_by_its_name(name, shard):
    assert layout.shard_of_file(name) == shard


@pytest.mark.parametrize(
    ("path", "shard"),
    [("attempts/000007/0", 7), ("attempts/000007/photo-000001/starts/0", None), ("attempts/000007", None)],
)
def test_an_attempt_tells_its_shard(path, shard):
    assert layout.shard_of_attempt(path) == shard


def is_of_layout(text: str) -> bool:
    """True if a string without blanks, which is none for people, names a place in a run's folder."""
    parts = text.split("/")
    return not any(map(str.isspace, text)) and any(
        part in FOLDERS or part in FILES or part.startswith(BEGINNINGS) for part in parts
    )


def strings_in(path: Path) -> set[str]:
    """The strings in a Python file, pieces of f-strings among them, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    }


def test_no_module_but_those_of_runs_has_a_name_of_the_layout():
    found = {
        (path.relative_to(ROOT).as_posix(), text)
        for folder in ("pasd_batch", "jobs", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if not path.is_relative_to(ROOT / "pasd_batch/runs")
        for text in strings_in(path)
        if is_of_layout(text)
    }
    assert found == OTHER_MEANINGS.keys(), "write the path as a function of pasd_batch/runs/layout.py"
