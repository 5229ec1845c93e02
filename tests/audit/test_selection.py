"""Manifests of the photos that pass a condition."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_runs import audited_row, commit_audit
from manifests import rows_of

from pasd_batch.audit.conditions import InvalidCondition, parse_condition
from pasd_batch.audit.selection import write_selection
from pasd_batch.audit.writing import write_audit
from pasd_batch.config.audit import AuditSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.records import PLAN_SCHEMA
from pasd_batch.runs.layout import plan_path
from pasd_batch.storage.storage import NotFound, StorageError

pytestmark = pytest.mark.usefixtures("duplicates_found_here")


@pytest.fixture
def audit(tmp_path):
    """Ten photos in shards of four; blur is their number, photo 5 failed, photo 6 is a copy of photo 2."""
    rows = [audited_row(number, blur_sigma=float(number), failed=number == 5) for number in range(10)]
    rows[6]["audit"] |= {name: rows[2]["audit"][name] for name in ("pixel_hash", "perceptual_hash")}
    folder, run = commit_audit(tmp_path / "run", rows)
    (tmp_path / "run" / "plan").mkdir()
    schema = pa.schema([*PLAN_SCHEMA, pa.field("album", pa.string())])
    for shard in range(run.shards):
        planned = [
            {"photo_id": row["photo_id"], "uri": row["uri"], "output_path": "x.png", "prompt": "a farm", "album": "A"}
            for row in rows[shard * 4 : shard * 4 + 4]
        ]
        pq.write_table(pa.Table.from_pylist(planned, schema=schema), tmp_path / "run" / plan_path(shard))
    write_audit(folder, run, AuditSettings())
    return folder


def selected(audit, condition, target):
    count = write_selection(audit, parse_condition(condition), str(target))
    rows = rows_of(str(target))
    assert len(rows) == count
    return [row["photo_id"] for row in rows]


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("blur >= 3", [3, 4, 6, 7, 8, 9]),
        ("not blurry", [0, 1, 2]),
        ("not exact_duplicate", [0, 1, 2, 3, 4, 7, 8, 9]),
        ("duplicates == 0 and blur > 6", [7, 8, 9]),
        ('duplicate_of == "photo2"', [6]),
        ("piqe < 32", [0, 1]),
        ("unreadable or blur > 8", [9]),
    ],
)
def test_photos_that_pass_are_a_manifest_in_the_plans_order(audit, tmp_path, condition, numbers):
    assert selected(audit, condition, tmp_path / "s.parquet") == [f"photo{number}" for number in numbers]
    row, *_ = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert (row["uri"], row["prompt"], row["album"]) == (f"/archive/{numbers[0]}.jpg", "a farm", "A")


def test_nothing_is_written_where_none_passes_or_something_is_wrong(audit, tmp_path):
    target = tmp_path / "s.parquet"
    assert write_selection(audit, parse_condition("blur > 100"), str(target)) == 0
    for condition, name, error in [
        ("blurr > 1", target, InvalidCondition),
        ("blur > 1", tmp_path / "s.csv", ManifestError),
    ]:
        with pytest.raises(error):
            write_selection(audit, parse_condition(condition), str(name))
    assert not list(tmp_path.glob("s.*"))


def test_an_earlier_selection_is_replaced_by_an_empty_one_and_no_other_file_is(audit, tmp_path):
    target = tmp_path / "s.parquet"
    write_selection(audit, parse_condition("blur >= 3"), str(target))
    names = pq.read_schema(target).names
    assert write_selection(audit, parse_condition("blur > 100"), str(target)) == 0
    assert (pq.read_table(target).num_rows, pq.read_schema(target).names) == (0, names)
    pq.write_table(pa.table({"uri": ["/archive/1.jpg"]}), target)
    with pytest.raises(ManifestError, match=r"s\.parquet is there already, and is not a selection of photos; give ano"):
        write_selection(audit, parse_condition("blur >= 3"), str(target))
    assert pq.read_table(target).column_names == ["uri"]


def test_an_audit_that_is_not_complete_or_damaged_is_told(audit, tmp_path):
    file = tmp_path / "run" / "audit.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(StorageError, match="command again, which writes it anew"):
        write_selection(audit, parse_condition("dark"), str(tmp_path / "s.parquet"))
    file.unlink()
    with pytest.raises(NotFound, match="there is no complete audit"):
        write_selection(audit, parse_condition("dark"), str(tmp_path / "s.parquet"))
