"""Settings by their dotted paths, as the classes that hold them declare them."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_LIKENESS = 0.75
"""Similarity above which a wrong name is a slip of the keys (difflib's ratio)."""


def members_of(annotation: Any) -> Iterator[Any]:
    """The types that an annotation stands for, one of which a value has; containers are one type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members_of(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from members_of(member)
    else:
        yield annotation


def takes_text(settings: Any, path: Sequence[str]) -> bool:
    """True if the setting at a path below `settings` (a class, or a union of them) is a text or path, or perhaps null.

    Of settings that several kinds of a group have: in all of them.
    """
    found = [settings]
    for name in path:
        groups = [member for annotation in found for member in members_of(annotation) if _is_group(member)]
        found = [group.model_fields[name].annotation for group in groups if name in group.model_fields]
    kinds = {member for annotation in found for member in members_of(annotation)}
    return bool(kinds - {NoneType}) and kinds <= {str, Path, NoneType}


def truths_for_numbers(settings: Any, values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, bool]]:
    """Settings whose number is `true` or `false`, which would be taken for 1 or 0."""
    groups = [member for member in members_of(settings) if _is_group(member)]
    for name, value in values.items():
        annotations = [group.model_fields[name].annotation for group in groups if name in group.model_fields]
        kinds = {member for annotation in annotations for member in members_of(annotation)}
        if isinstance(value, Mapping):
            for annotation in annotations:
                yield from truths_for_numbers(annotation, value, f"{before}{name}.")
        elif isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            yield f"{before}{name}", value


def meant_by(settings: Any, path: str) -> str | None:
    """The path that somebody meant who wrote one that no setting has, as far as can be guessed."""
    known = list(dict.fromkeys(_paths(settings)))
    group, dot, name = path.rpartition(".")
    beside = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == group]
    if near := get_close_matches(name, beside, n=1, cutoff=_LIKENESS):
        return group + dot + near[0]
    elsewhere = [other for other in known if other.rpartition(".")[2] == name]
    return elsewhere[0] if len(elsewhere) == 1 else None


def _paths(settings: Any, before: str = "") -> Iterator[str]:
    for member in members_of(settings):
        if _is_group(member):
            for name, field in member.model_fields.items():
                yield before + name
                yield from _paths(field.annotation, f"{before}{name}.")


def _is_group(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)
