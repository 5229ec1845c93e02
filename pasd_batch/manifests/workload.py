"""Work that a manifest's photos are, as far as it tells: their sizes, and settings of their own."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class PhotoWork:
    """Work of one photo."""

    tiles: int = 0
    """Tiles that it is denoised in, in all passes together."""
    effort: float = 0.0
    """The same in tiles of the run's own steps, where the photo has a number of its own."""
    pixels: int = 0
    """Of the largest picture that it is on its way."""
    memory: int = 0
    """Bytes of main memory that it takes at most, beside the models."""
    refused: str | None = None
    """Fault of its own settings, if they cannot be used."""


WorkOf = Callable[[int, int, str | None], PhotoWork]
"""Work of a photo with a width and a height in pixels, 0 where they are not known, and settings of its own as JSON."""


@dataclass(frozen=True)
class Workload:
    """Work of many photos."""

    sized_rows: int = 0
    """Rows with a positive `width` and `height`."""
    tiles: int = 0
    """Tiles of those."""
    effort: float = 0.0
    most_effort: float = 0.0
    """Of one photo."""
    most_pixels: int = 0
    most_memory: int = 0
    refused: int = 0
    """Photos whose own settings cannot be used."""
    why_refused: str | None = None
    """Of one of them."""


def total(parts: Iterable[Workload]) -> Workload:
    """Workloads together."""
    loads = list(parts)
    return Workload(
        sized_rows=sum(each.sized_rows for each in loads),
        tiles=sum(each.tiles for each in loads),
        effort=sum(each.effort for each in loads),
        most_effort=max((each.most_effort for each in loads), default=0.0),
        most_pixels=max((each.most_pixels for each in loads), default=0),
        most_memory=max((each.most_memory for each in loads), default=0),
        refused=sum(each.refused for each in loads),
        why_refused=next((each.why_refused for each in loads if each.why_refused), None),
    )


def workload(table: pa.Table, work_of: WorkOf | None) -> Workload:
    """Work of a manifest's rows in the common form; photos with the same size and settings are looked at once."""
    if work_of is None:
        return Workload()
    rows = pa.table({"width": _lengths(table, "width"), "height": _lengths(table, "height"), "own": _own(table)})
    kinds = rows.group_by(["width", "height", "own"]).aggregate([([], "count_all")]).to_pylist()
    return total(_times(work_of(each["width"], each["height"], each["own"]), each["count_all"]) for each in kinds)


def _times(work: PhotoWork, count: int) -> Workload:
    if work.refused is not None:
        return Workload(refused=count, why_refused=work.refused)
    if not work.tiles:
        return Workload()
    return Workload(count, work.tiles * count, work.effort * count, work.effort, work.pixels, work.memory)


def _lengths(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    kind = table.schema.field(name).type if name in table.column_names else pa.null()
    if pa.types.is_string(kind):  # as CSV has all columns
        digits = pc.match_substring_regex(table[name], r"^[0-9]{1,9}$")
        column = pc.fill_null(pc.if_else(digits, table[name], "0").cast(pa.int64()), 0)
    elif pa.types.is_integer(kind):
        column = pc.fill_null(table[name].cast(pa.int64(), safe=False), 0)
    else:
        return pa.array([0] * table.num_rows, pa.int64())
    return pc.if_else(pc.greater(column, 0), column, 0)


def _own(table: pa.Table) -> pa.ChunkedArray | pa.Array:
    return table["settings"] if "settings" in table.column_names else pa.nulls(table.num_rows, pa.string())
