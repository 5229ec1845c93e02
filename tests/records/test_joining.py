import pyarrow as pa
import pytest

from pasd_batch.records.joining import joined


def table(*values, **metadata):
    return pa.table({"a": pa.array(values, pa.int64())}).replace_schema_metadata(metadata or None)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_rows_stay_in_order_and_tables_have_at_least_so_many(rows):
    tables = list(joined((table(n, n + 0) for n in range(5)), rows))
    assert [value for each in tables for value in each["a"].to_pylist()] == [n for n in range(5) for _ in (0, 1)]
    assert all(each.num_rows >= rows for each in tables[:-1])
    assert len(tables) == -(-5 // -(-rows // 2))


def test_tables_of_other_schemas_are_not_joined():
    tables = list(joined([table(1), table(2, scores="x"), table(3, scores="x")], 100))
    assert [each["a"].to_pylist() for each in tables] == [[1], [2, 3]]
    assert tables[1].schema.metadata == {b"scores": b"x"}


def test_a_table_without_rows_is_seen():
    (empty,) = joined([table()], 10)
    assert (empty.num_rows, empty.column_names) == (0, ["a"])
    assert list(joined([], 10)) == []
