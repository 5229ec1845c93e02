"""Work that a manifest's photos are, as far as it tells: their sizes, and settings of their own."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class PhotoWork:
    """Work of one photo."""

    tiles: int = 0
    """Tiles that it is denoised in, in all passes together."""
    effort: float = 0.0
    """The same in tiles of the run's own steps, where the photo has a number of its own."""
    second_tries: float = 0.0
    """Effort that comes on top if the photo is done again in every pass that looks for weak tiles."""
    pixels: int = 0
    """Of the largest picture that it is on its way."""
    memory: int = 0
    """Bytes of main memory that it takes at most, beside the models."""
    refused: str | None = None
    """Fault of its own settings, if they cannot be used."""


class Beside(NamedTuple):
    """Pictures that a manifest names beside a photo."""

    reference: bool = False
    color_reference: bool = False
    mask: bool = False


class WorkOf(Protocol):
    """Tells the work of a photo."""

    def __call__(self, width: int, height: int, own: str | None, beside: Beside = ..., /) -> PhotoWork:
        """The work of one with a width and a height in pixels, 0 where they are not known.

        Args:
            width: of the photo.
            height: of the photo.
            own: settings of its own as JSON.
            beside: pictures beside it.
        """
        ...


@dataclass(frozen=True)
class Workload:
    """Work of many photos."""

    sized_rows: int = 0
    """Rows with a positive `width` and `height`."""
    tiles: int = 0
    """Tiles of those."""
    effort: float = 0.0
    second_tries: float = 0.0
    most_effort: float = 0.0
    """Of one photo, its second tries included."""
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
        second_tries=sum(each.second_tries for each in loads),
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
    rows = {"width": _lengths(table, "width"), "height": _lengths(table, "height"), "own": _own(table)}
    rows |= {name: _is_given(table, f"{name}_uri") for name in Beside._fields}
    kinds = pa.table(rows).group_by([*rows]).aggregate([([], "count_all")]).to_pylist()
    return total(_times(_work(each, work_of), each["count_all"]) for each in kinds)


def _work(kind: Mapping[str, Any], work_of: WorkOf) -> PhotoWork:
    beside = Beside(**{name: kind[name] for name in Beside._fields})
    return work_of(kind["width"], kind["height"], kind["own"], beside)


def _times(work: PhotoWork, count: int) -> Workload:
    if work.refused is not None:
        return Workload(refused=count, why_refused=work.refused)
    if not work.tiles:
        return Workload()
    return Workload(
        sized_rows=count,
        tiles=work.tiles * count,
        effort=work.effort * count,
        second_tries=work.second_tries * count,
        most_effort=work.effort + work.second_tries,
        most_pixels=work.pixels,
        most_memory=work.memory,
    )


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


def _is_given(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    given = name in table.column_names
    return pc.is_valid(table[name]) if given else pa.repeat(pa.scalar(False), table.num_rows)


def _own(table: pa.Table) -> pa.ChunkedArray | pa.Array:
    return table["settings"] if "settings" in table.column_names else pa.nulls(table.num_rows, pa.string())
