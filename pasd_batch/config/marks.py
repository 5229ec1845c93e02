"""Marks of settings that do not decide by their value what comes out; they stand in a field's `Annotated`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RuntimeOnly:
    """Mark of a setting that says where, how fast or how patiently something is done, not what comes out."""


@dataclass(frozen=True)
class Weights:
    """Mark of a path to weights: where they lie decides nothing, what is in them does.

    Attributes:
        parts: subfolders that are read; where there are none, the file, or all files of the folder.
        otherwise: the path where the setting is none.
    """

    parts: tuple[str, ...] = ()
    otherwise: Path | None = None
