import json
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pytest
from photo_archive import plan_table

from pasd_batch.records import (
    PLAN_SCHEMA,
    RESULT_SCHEMA,
    PhotoRecord,
    RestorationReport,
    ScoreColumn,
    extra_column_name,
    extra_columns,
    plan_schema,
    records_of,
    result_schema,
)

ALBUM = pa.field("album", pa.string())
YEAR = pa.field("year", pa.int16())
PSNR = ScoreColumn("fidelity_psnr", higher_is_better=True, description="against the input", source="torch")


def test_a_record_survives_the_way_through_a_plan_table():
    first = PhotoRecord("a1", "s3://b/a.jpg", "a.png", prompt=None, extra={"album": "Röntgen", "year": 1902})
    second = PhotoRecord("a2", "s3://b/b.jpg", "b.png", prompt="a house", extra={"album": None, "year": None}, row=1)
    table = plan_table([first, second], [ALBUM, YEAR])
    assert records_of(table) == [first, second]
    assert [each.source_root for each in records_of(table, "s3://b")] == ["s3://b"] * 2
    assert extra_columns(table.schema) == [ALBUM, YEAR]


def test_extra_columns_that_a_run_uses_itself_are_renamed_whatever_their_case():
    assert extra_column_name("album") == "album"
    assert extra_column_name("Status") == "manifest_Status"
    with pytest.raises(ValueError, match="Status"):
        plan_schema([pa.field("Status", pa.string())])
    with pytest.raises(ValueError, match=r"\['Album', 'album'\] are there twice"):
        plan_schema([ALBUM, pa.field("Album", pa.string())])


def test_the_result_schema_starts_with_the_fixed_columns_and_ends_with_the_manifests():
    schema = result_schema([ALBUM], [PSNR], with_images=True)
    assert schema.names == [*RESULT_SCHEMA.names, "scores", "image", "album"]
    assert set(PLAN_SCHEMA.names) <= set(schema.names)
    assert json.loads(schema.metadata[b"pasd_batch.scores"])["fidelity_psnr"]["higher_is_better"] is True


def test_a_run_without_metrics_has_no_scores_column():
    assert "scores" not in result_schema([], [], with_images=False).names


def test_columns_of_the_report_are_documented_as_they_are_defined():
    documented = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
    for each in fields(RestorationReport):
        row = f"| `{each.name}` | {each.metadata['type']} | {each.metadata['description']} |\n"
        assert row in documented, f"write into docs/results.md: {row}"


def test_every_result_column_is_documented():
    documented = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
    missing = [name for name in result_schema([], [PSNR], with_images=True).names if f"`{name}`" not in documented]
    assert not missing
