"""All settings of a class, with their defaults and meanings, as people look them up."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

from pydantic_core import PydanticUndefined, to_jsonable_python

from pasd_batch.config.base import Settings
from pasd_batch.config.setting_names import members_of

REQUIRED = "required"


@dataclass(frozen=True)
class Setting:
    """A setting by its dotted path; entries of lists are `[]`."""

    path: str
    default: str
    """In YAML notation, empty for null; `REQUIRED` where there is none."""
    meaning: str
    """On one line."""


def all_settings(settings: type[Settings], before: str = "") -> Iterator[Setting]:
    """The settings of a class in its order, groups before what is in them."""
    for name, field in settings.model_fields.items():
        path = f"{before}{name}"
        groups = list(_groups(field.annotation))
        default = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
        meaning = " ".join((field.description or "").split())
        if not (groups and isinstance(default, Settings)):
            yield Setting(path, _shown(default), meaning)
        for kind, is_list in groups:
            yield from all_settings(kind, f"{path}{'[]' if is_list else ''}.")


def _groups(annotation: Any) -> Iterator[tuple[type[Settings], bool]]:
    """Groups of settings that a setting may hold, and whether it holds a list of them."""
    for member in members_of(annotation):
        entries = [(each, True) for each in get_args(member)] if get_args(member) else [(member, False)]
        for kind, is_list in entries:
            if isinstance(kind, type) and kind is not NoneType and issubclass(kind, Settings):
                yield kind, is_list


def _shown(default: Any) -> str:
    if default is PydanticUndefined:
        return REQUIRED
    if default is None:
        return ""
    if isinstance(default, frozenset):
        default = sorted(default)
    return json.dumps(to_jsonable_python(default), ensure_ascii=False)
