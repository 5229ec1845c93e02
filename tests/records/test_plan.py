import pyarrow as pa
import pytest
from photo_archive import plan_table

from pasd_batch.records import PhotoRecord, extra_column_name, extra_columns, plan_schema, records_of

ALBUM = pa.field("album", pa.string())
YEAR = pa.field("year", pa.int16())


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
