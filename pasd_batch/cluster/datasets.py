"""Plain functions over numbered parts of the work, as a Ray dataset: the adapter between planning's steps and Ray."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pasd_batch.errors import PasdBatchError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from ray.data import Dataset

_MOST_TASKS = 512  # a Ray block costs some 23 ms; with more parts than this, tasks do several


def dataset_of(count: int, work: Callable[[int], "Iterable[pa.Table | dict[str, Any]]"]) -> "Dataset":
    """The rows that `work` yields for the parts 0 to `count`, worked on in parallel; in no set order.

    `work` gets a part's number and yields tables, or rows as plain dictionaries.
    """
    import ray.data

    def run(batch: "dict[str, np.ndarray]") -> "Iterator[pa.Table | dict[str, list[Any]]]":
        for part in batch["part"].tolist():
            for item in work(part):
                yield {name: [value] for name, value in item.items()} if isinstance(item, dict) else item

    parts = ray.data.from_items([{"part": part} for part in range(count)], override_num_blocks=min(count, _MOST_TASKS))
    return parts.map_batches(run, batch_size=1)  # pyright: ignore[reportArgumentType]


def rows_of_parts(
    count: int, work: "Callable[[int], Iterable[dict[str, Any]]]", *, here: bool
) -> Iterator[dict[str, Any]]:
    """The rows that `work` yields for the parts 0 to `count`: by Ray's tasks, or one after another in this process."""
    if not here:
        yield from rows_of(dataset_of(count, work))
        return
    for part in range(count):
        yield from work(part)


def rows_of(dataset: "Dataset") -> Iterator[dict[str, Any]]:
    """The dataset's rows; our own errors are raised as themselves."""
    with own_errors():
        yield from dataset.iter_rows()


@contextmanager
def own_errors() -> Iterator[None]:
    """Errors of ours that were raised in a task come out as themselves, not wrapped by Ray."""
    from ray.exceptions import RayTaskError

    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, PasdBatchError):
            raise error.cause from None
        raise
