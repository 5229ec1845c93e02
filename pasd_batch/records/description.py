"""High-level information about a photo."""

from dataclasses import dataclass


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
