"""Tables joined to fewer larger ones: what is done with each costs the same, however few rows it has."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


def joined(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in the same order, in tables of at least so many rows where neighbours have one schema.

    One table without rows stays one, so that its schema is seen.
    """
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        if waiting and not waiting[0].schema.equals(table.schema, check_metadata=True):
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
        waiting.append(table)
        count += table.num_rows
        if count >= rows:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)
