"""Settings by their dotted paths, as the classes that hold them declare them."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_LIKENESS = 0.75
"""Similarity above which a wrong name is a slip of the keys (difflib's ratio)."""

_MOST_MEANT = 3


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


def meant_by(settings: Any, path: str, value: Any = None) -> list[str]:
    """The paths that somebody may have meant who wrote one that no setting has; few, the likeliest alone if it is sure.

    `value` is what was given for it: a mapping is meant for a group.
    """
    known = list(dict.fromkeys(_paths(settings)))
    group, dot, name = path.rpartition(".")
    leaves = {other: other.rpartition(".")[2] for other in known}
    if isinstance(value, Mapping):
        leaves = {other: leaf for other, leaf in leaves.items() if any(each.startswith(f"{other}.") for each in known)}
    beside = [leaf for other, leaf in leaves.items() if other.rpartition(".")[0] == group]
    if near := get_close_matches(name, beside, n=1, cutoff=_LIKENESS):
        return [group + dot + near[0]]
    alike = [name] if name in leaves.values() else get_close_matches(name, set(leaves.values()), n=1, cutoff=_LIKENESS)
    return [other for other, leaf in leaves.items() if leaf in alike][:_MOST_MEANT]


def stand_without(settings: Any, path: str, value: Any) -> list[str]:
    """The settings in a group that no setting is, if all of them stand where the group does; else none.

    Such a group is a prefix that other commands' settings have.
    """
    before = path.rpartition(".")[0]
    inner = [f"{before}.{name}" if before else str(name) for name in value] if isinstance(value, Mapping) else []
    return inner if {*inner} <= {*_paths(settings)} else []


def written_path(settings: Any, location: Sequence[str | int]) -> str:
    """The dotted path of a problem as people write it: without pydantic's names of the kinds that a group may be."""
    found, parts = [settings], list[str]()
    for place, part in enumerate(location):
        members = [member for annotation in found for member in members_of(annotation)]
        groups = [member for member in members if _is_group(member)]
        fields = [group.model_fields[part].annotation for group in groups if part in group.model_fields]
        if groups and not fields and isinstance(part, str) and place + 1 < len(location):
            continue
        parts.append(str(part))
        found = fields or [each for member in members for each in get_args(member)]
    return ".".join(parts)


def _paths(settings: Any, before: str = "") -> Iterator[str]:
    for member in members_of(settings):
        if _is_group(member):
            for name, field in member.model_fields.items():
                yield before + name
                yield from _paths(field.annotation, f"{before}{name}.")


def _is_group(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)
