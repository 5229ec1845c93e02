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


@dataclass(frozen=True)
class Description:
    """High-level information about a photo, as far as describers were sure of it."""

    caption: str | None = None
    objects: tuple[FoundObject, ...] = ()
    class_name: str | None = None
    class_score: float | None = None
