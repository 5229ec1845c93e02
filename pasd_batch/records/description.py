"""High-level information about a photo."""

from dataclasses import dataclass

import pyarrow as pa

_OBJECT_TYPE = pa.struct([("name", pa.string()), ("count", pa.int32()), ("score", pa.float64())])

DESCRIPTION_TYPE = pa.struct(
    [
        ("caption", pa.string()),
        ("objects", pa.list_(_OBJECT_TYPE)),
        ("class_name", pa.string()),
        ("class_score", pa.float64()),
    ]
)
"""Type of a column of descriptions; its fields are those of `Description`."""


@dataclass(frozen=True)
class FoundObject:
    """Objects of one kind in a photo: their name, number, and the score of the surest."""

    name: str
    count: int
    score: float


REGION_TYPE = pa.struct(
    [
        ("name", pa.string()),
        ("score", pa.float64()),
        ("left", pa.int32()),
        ("top", pa.int32()),
        ("right", pa.int32()),
        ("bottom", pa.int32()),
    ]
)
"""Type of a region; its fields are those of `FoundBox`."""


@dataclass(frozen=True)
class FoundBox:
    """Place of an object: a box in pixels of the photo, right and bottom excluded."""

    name: str
    score: float
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Description:
    """High-level information about a photo, as far as describers were sure of it."""

    caption: str | None = None
    objects: tuple[FoundObject, ...] = ()
    class_name: str | None = None
    class_score: float | None = None
