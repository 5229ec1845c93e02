"""audit.parquet and the lists of issues, from the rows of a complete run."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_runs import audited_row, commit_audit

from pasd_batch.audit.columns import COLUMNS
from pasd_batch.audit.issues import ISSUES
from pasd_batch.audit.reading import AUDIT_METADATA_KEY
from pasd_batch.audit.writing import write_audit
from pasd_batch.config.audit import AuditSettings

pytestmark = pytest.mark.usefixtures("duplicates_found_here")


def audit(root, rows, settings=None, **options):
    folder, run = commit_audit(root, rows, **options)
    summary = write_audit(folder, run, settings or AuditSettings())
    return summary, pq.read_table(root / "audit.parquet")


def listed(root, issue):
    return [json.loads(line) for line in (root / "issues" / f"{issue}.jsonl").read_text().splitlines()]


def test_photos_without_issues_have_their_measures_and_nothing_else(tmp_path):
    summary, table = audit(tmp_path, [audited_row(number) for number in range(9)])
    assert table.column_names == [*(column.name for column in COLUMNS), "scores"]
    assert [field.type for field in table.schema][:-1] == [column.type for column in COLUMNS]
    for number, row in enumerate(table.to_pylist()):
        assert (row["photo_id"], row["shard"], row["scores"]) == (
            f"photo{number}",
            number // 4,
            {"piqe": 30.0 + number},
        )
        assert (row["issues"], row["severity"], row["duplicates"], row["duplicate_of"]) == ([], 0.0, 0, None)
        assert set(row["severities"].values()) == {None}
        assert (row["noise"], row["blur"], row["contrast"]) == (1.0, 0.6, pytest.approx(0.8))
        assert (row["aspect"], row["side"]) == (pytest.approx(2 / 3), pytest.approx(math.sqrt(60_000)))
        assert (row["border"], row["size_deviation"]) == (0.0, 0.0)
    assert summary.line() == "issues: none"
    assert not (tmp_path / "issues").exists()


def test_issues_are_told_with_the_worst_first_and_listed_so(tmp_path):
    rows = [audited_row(number) for number in range(12)]
    rows[1] = audited_row(1, blur_sigma=3.0, measures={"brightness_99": 0.1})
    rows[5] = audited_row(5, blur_sigma=5.0)
    rows[6] = audited_row(6, measures={"border_left": 30, "border_bottom": 20, "colors": "ignored", "grayscale": True})
    rows[7] = audited_row(7, failed=True)
    rows[8] = audited_row(8, input_width=3000, input_height=2000)
    rows[9] = audited_row(9, noise_sigma=None, blur_sigma=None, jpeg_strength=None)
    summary, table = audit(tmp_path, rows)
    told = {row["photo_id"]: row["issues"] for row in table.to_pylist() if row["issues"]}
    assert told == {
        "photo1": ["low_contrast", "dark", "blurry"],
        "photo5": ["blurry"],
        "photo6": ["odd_profile", "borders", "grayscale"],
        "photo7": ["unreadable"],
        "photo8": ["odd_size"],
    }
    row = table.to_pylist()[1]
    assert {name: value for name, value in row["severities"].items() if value is not None} == {
        "dark": pytest.approx((0.32 - 0.1) / 0.32),
        "low_contrast": 1.0,
        "blurry": 0.25,
    }
    assert row["severity"] == 1.0
    assert table["border"][6].as_py() == pytest.approx(1 - (270 * 180) / 60_000)
    assert table["error_message"][7].as_py() == "the file is broken; fetch it again"
    assert listed(tmp_path, "blurry") == [
        {"id": "photo5", "uri": "/archive/5.jpg", "severity": 0.75, "blur": 5.0},
        {"id": "photo1", "uri": "/archive/1.jpg", "severity": 0.25, "blur": 3.0},
    ]
    (unreadable,) = listed(tmp_path, "unreadable")
    assert unreadable["error_message"] == "the file is broken; fetch it again"
    assert summary.counts == dict.fromkeys((issue.name for issue in ISSUES), 0) | {
        **dict.fromkeys(("unreadable", "dark", "low_contrast", "odd_size", "borders", "grayscale", "odd_profile"), 1),
        "blurry": 2,
    }
    assert summary.line().startswith("issues: 2 blurry, 1 ")


def test_pages_of_files_stay_pages_in_lists_of_issues(tmp_path):
    _, table = audit(tmp_path, [audited_row(number, failed=True, page=number or None, pages=2) for number in range(3)])
    assert (table["page"].to_pylist(), table["pages"].to_pylist()) == ([None, 1, 2], [2, 2, 2])
    lines = {line["id"]: line.get("file_page") for line in listed(tmp_path, "unreadable")}
    assert lines == {"photo0": None, "photo1": 1, "photo2": 2}


def test_duplicates_name_the_photo_to_keep(tmp_path):
    rows = [audited_row(number) for number in range(10)]
    alike = rows[2]["audit"]["perceptual_hash"]
    near = f"{int(alike, 16) ^ 0b101:016x}"
    rows[4]["audit"]["perceptual_hash"] = near
    rows[4] |= {"input_width": 600, "input_height": 400}
    rows[7]["audit"] |= {name: rows[2]["audit"][name] for name in ("pixel_hash", "perceptual_hash")}
    _, table = audit(tmp_path, rows)
    told = {row["photo_id"]: row for row in table.to_pylist() if row["duplicates"]}
    assert {
        name: (row["duplicate_of"], row["duplicates"], row["duplicate_distance"], row["issues"])
        for name, row in told.items()
    } == {
        "photo2": ("photo4", 2, 0, ["near_duplicate"]),
        "photo4": (None, 2, 2, ["odd_size"]),
        "photo7": ("photo4", 2, 0, ["exact_duplicate"]),
    }
    (line,) = listed(tmp_path, "exact_duplicate")
    assert (line["id"], line["duplicate_of"]) == ("photo7", "photo4")


def test_other_thresholds_are_taken_when_it_is_written_again(tmp_path):
    rows = [audited_row(number, blur_sigma=1.0 + number) for number in range(5)]
    folder, run = commit_audit(tmp_path, rows)
    assert write_audit(folder, run, AuditSettings()).counts["blurry"] == 3
    first = (tmp_path / "audit.parquet").read_bytes()
    assert write_audit(folder, run, AuditSettings.parse({"blurry": None, "noisy": 0.5})).counts["noisy"] == 5
    assert [path.name for path in (tmp_path / "issues").iterdir()] == ["noisy.jsonl"]
    told = json.loads(pq.read_schema(tmp_path / "audit.parquet").metadata[AUDIT_METADATA_KEY])
    assert (told["thresholds"]["blurry"], told["thresholds"]["noisy"]) == (None, 0.5)
    assert told["size_quartiles"] == [pytest.approx(math.sqrt(60_000))] * 2
    write_audit(folder, run, AuditSettings())
    assert (tmp_path / "audit.parquet").read_bytes() == first


def test_an_archive_of_which_nothing_can_be_read_has_an_audit(tmp_path):
    summary, table = audit(tmp_path, [audited_row(number, failed=True) for number in range(3)])
    assert summary.line() == "issues: 3 unreadable"
    assert table["issues"].to_pylist() == [["unreadable"]] * 3


def test_columns_of_the_manifest_are_carried_and_renamed_where_an_audit_has_their_name(tmp_path):
    extra = [pa.field("album", pa.string()), pa.field("Camera", pa.string()), pa.field("blurry", pa.int64())]
    rows = [audited_row(number, album="A", Camera="Leica", blurry=number) for number in range(3)]
    _, table = audit(tmp_path, rows, extra=extra)
    assert table.column_names[-4:] == ["scores", "album", "manifest_Camera", "manifest_blurry"]
    assert table["manifest_blurry"].to_pylist() == [0, 1, 2]
