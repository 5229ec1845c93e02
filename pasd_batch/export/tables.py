"""Tables of Lance, Delta Lake and Iceberg, each made in one commit: it is there with all rows, or not at all.

A table that is there already is that of this very run, which is no error, or another one, which is left as it is.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from pasd_batch.errors import PasdBatchError
from pasd_batch.export.column_types import held, held_schema
from pasd_batch.export.formats import ExportFailed
from pasd_batch.export.run_rows import RunRows
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.redaction import without_secrets

_KEY = "pasd_batch.run"
_NAMED_TABLE = re.compile(r"(?P<catalog>\w+):(?P<table>[\w.]+)")
_COLORS = re.compile(r"\x1b\[\d*m")
_STACK = re.compile(r"(\.? Detail: Python exception:|\s+0: ).*", re.DOTALL)
"""Stacks of Python within Rust, and of Rust, which follow some messages."""
_OWN_TABLE = "pasd_batch.photos"


def export_lance(rows: RunRows, target: str) -> int:
    """Write a Lance dataset at a path or URI; the number of rows, 0 if it is there already.

    Raises:
        ExportFailed: another one is there.
    """
    import lance

    place = _absolute(target)

    def there() -> str | None:
        try:
            found = lance.dataset(place)
        except (ValueError, OSError):  # none is there; what cannot be read at all fails when it is written
            return None
        return (found.schema.metadata or {}).get(_KEY.encode(), b"").decode()

    def write() -> int:
        found = held_schema(rows.schema)
        # Lance takes a `.` for a field within a field.
        names = [name.replace(".", "_") for name in found.names]
        schema = pa.schema([field.with_name(name) for field, name in zip(found, names, strict=True)])
        schema = schema.with_metadata({_KEY: rows.identity})
        batches = (
            batch
            for table in map(held, rows.tables())
            for batch in table.rename_columns(names).cast(schema).to_batches()
        )
        return int(lance.write_dataset(batches, place, schema=schema, mode="create").count_rows())

    return _once(rows, target, there, write)


def export_delta(rows: RunRows, target: str) -> int:
    """Write a Delta Lake table at a path or URI; the number of rows, 0 if it is there already.

    Raises:
        ExportFailed: another one is there.
    """
    from deltalake import CommitProperties, DeltaTable, write_deltalake

    place = _absolute(target)

    def there() -> str | None:
        return (DeltaTable(place).metadata().description or "") if DeltaTable.is_deltatable(place) else None

    def write() -> int:
        # Tried again, a commit would add its rows to those of another export that has been quicker.
        once = CommitProperties(max_commit_retries=0)
        batches = (batch for table in map(held, rows.tables()) for batch in table.to_batches())
        reader = pa.RecordBatchReader.from_batches(held_schema(rows.schema), batches)
        write_deltalake(place, reader, mode="error", description=rows.identity, commit_properties=once)
        return sum(DeltaTable(place).get_add_actions(flatten=True)["num_records"].to_pylist())

    return _once(rows, target, there, write)


def export_iceberg(rows: RunRows, target: str) -> int:
    """Write an Iceberg table: `CATALOG:NAMESPACE.TABLE` of `.pyiceberg.yaml`, or a local folder with its own catalog.

    The number of rows; 0 if it is there already.

    Raises:
        ExportFailed: another table is there, or the target is neither.
    """
    catalog, name = _catalog(target)
    catalog.create_namespace_if_not_exists(name.rpartition(".")[0])

    def there() -> str | None:
        return catalog.load_table(name).properties.get(_KEY, "") if catalog.table_exists(name) else None

    def write() -> int:
        count = 0
        schema = held_schema(rows.schema)
        with catalog.create_table_transaction(name, schema=schema, properties={_KEY: rows.identity}) as new:
            for table in map(held, rows.tables()):
                new.append(table)
                count += table.num_rows
        return count

    return _once(rows, target, there, write)


@contextmanager
def told_as_failure(target: str) -> Iterator[None]:
    """Run a block that exports, and tell what a format's library raises, of many classes and lines, as one line.

    Raises:
        ExportFailed: it raised something.
    """
    try:
        yield
    except PasdBatchError:
        raise
    except Exception as error:
        text = _STACK.sub("", _COLORS.sub("", str(error))) or type(error).__name__
        said = " ".join(without_secrets(text).split())
        raise ExportFailed(
            f"{redact_uri(target)}: the run cannot be exported there: {said}; give a folder, or an address that the "
            "format's library knows, and look at its settings"
        ) from error


def _once(rows: RunRows, target: str, there: Callable[[], str | None], write: Callable[[], int]) -> int:
    """Write a table unless one is there, also where another export has been quicker; the number of rows written."""
    found = there()
    if found is None:
        try:
            return write()
        except Exception:
            found = there()
            if found is None:
                raise
    if found != rows.identity:
        raise ExportFailed(f"{redact_uri(target)} has another table; give this one another target")
    return 0


def _catalog(target: str) -> tuple[Any, str]:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.catalog.sql import SqlCatalog

    named = _NAMED_TABLE.fullmatch(target)
    if named is not None:
        return load_catalog(named["catalog"]), named["table"]
    if "://" in target:
        raise ExportFailed(
            f"{redact_uri(target)}: Iceberg needs a catalog, which a store is none; name a table of your catalog as "
            "CATALOG:NAMESPACE.TABLE (.pyiceberg.yaml), or a local folder"
        )
    folder = Path(_absolute(target))
    folder.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("pasd_batch", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri()), _OWN_TABLE


def _absolute(target: str) -> str:
    return target if "://" in target else os.path.abspath(os.path.expanduser(target))
