"""Plain functions over numbered parts of the work, as a Ray dataset: the adapter between planning's steps and Ray."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pasd_batch.errors import PasdBatchError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from ray.data import Dataset

_MOST_TASKS = 512  # a Ray block costs some 23 ms; with more parts than this, tasks do several


def rows_of_parts(
    count: int, work: "Callable[[int], Iterable[dict[str, Any]]]", *, here: bool = False
) -> Iterator[dict[str, Any]]:
    """The rows that `work` yields for the parts 0 to `count`: by Ray's tasks in no set order, or `here` one by one."""
    if here:
        for part in range(count):
            yield from work(part)
        return
    with _own_errors():
        yield from _dataset_of(count, work).iter_rows()


def tables_by_key(
    count: int,
    keys: "Callable[[int], Iterable[pa.Table]]",
    work: "Callable[[pa.Table], pa.Table]",
    *,
    column: str,
    partitions: int | None,
) -> "list[pa.Table]":
    """Tables that `work` makes of rows that `keys` yields for the parts 0 to `count`, brought together by a shuffle.

    It gets all rows with the same value in `column` at once, in so many partitions; None: all rows there are.
    """
    every = _dataset_of(count, keys)
    if partitions is None:
        found = every.repartition(1).map_batches(work, batch_size=None, batch_format="pyarrow")
    else:
        found = every.groupby(column, num_partitions=partitions).map_groups(work, batch_format="pyarrow")
    with _own_errors():
        return cast("list[pa.Table]", list(found.iter_batches(batch_size=None, batch_format="pyarrow")))


def _dataset_of(count: int, work: Callable[[int], "Iterable[pa.Table | dict[str, Any]]"]) -> "Dataset":
    """The tables, or rows as plain dictionaries, that `work` yields for the parts 0 to `count`."""
    import ray.data

    def run(batch: "dict[str, np.ndarray]") -> "Iterator[pa.Table | dict[str, list[Any]]]":
        for part in batch["part"].tolist():
            for item in work(part):
                yield {name: [value] for name, value in item.items()} if isinstance(item, dict) else item

    parts = ray.data.from_items([{"part": part} for part in range(count)], override_num_blocks=min(count, _MOST_TASKS))
    return parts.map_batches(run, batch_size=1)  # pyright: ignore[reportArgumentType]


@contextmanager
def _own_errors() -> Iterator[None]:
    """Errors of ours that were raised in a task come out as themselves, not wrapped by Ray."""
    from ray.exceptions import RayTaskError

    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, PasdBatchError):
            raise error.cause from None
        raise
