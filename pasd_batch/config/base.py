"""Base class of all settings: frozen values that refuse unknown keys and report errors by dotted path."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from pasd_batch.config.marks import RuntimeOnly, Weights
from pasd_batch.config.setting_names import meant_by, stand_without, takes_text, truths_for_numbers, written_path
from pasd_batch.config.strict_yaml import load_strictly
from pasd_batch.errors import PasdBatchError

_MOST_SHOWN = 120
"""Characters of a wrong value that a message shows."""

_ADDRESS = re.compile(r"://[^\s'\"\],]+")
_QUOTED_OR_NULL = re.compile(r"'.*'|\".*\"|null|~", re.DOTALL)


class ConfigError(PasdBatchError, ValueError):
    """A configuration that cannot be used; the message names every offending dotted path."""


_TRUTH = TypeAdapter(bool)


def says_true(value: Any) -> bool:
    """True if a plain value, not validated yet, will be taken for true, as `yes` in a file is."""
    with suppress(ValidationError):
        return _TRUTH.validate_python(value)
    return False


InOrder = PlainSerializer(sorted, return_type=list, when_used="json")
"""For sets, whose own order is another one in every process: sorted, so that equal settings are written alike."""


def _refuse_no_name(value: str) -> str:
    if not value.strip():
        raise ValueError("an empty name, perhaps of a variable that is not set; name a path or URI")
    return value


Place = Annotated[str, AfterValidator(_refuse_no_name)]
"""A path or URI that has to be named."""


def _refuse_other_places(value: Any) -> Any:
    if value == "":
        raise ValueError("a path is needed, and this one is empty; null stands for none where that may be")
    if isinstance(value, str) and "://" in value:
        raise ValueError("a path on this machine is needed, not an address")
    return value


LocalPath = Annotated[Path, BeforeValidator(_refuse_other_places)]
"""A path on this machine; an empty one is not taken for the working folder, nor an address for a path."""


class Settings(BaseModel):
    """A frozen group of settings; unknown keys are errors, every field is documented where it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    def names_in_use(self) -> tuple[str, ...]:
        """Names of the settings that mean something beside the others, in their order."""
        return tuple(type(self).model_fields)

    def decisive(self) -> dict[str, Any]:
        """The settings that decide what comes out, as plain values: without those marked as runtime or weights."""
        plain = self.model_dump(mode="json")
        for name in self.names_in_use():
            field = type(self).model_fields[name]
            if any(isinstance(mark, RuntimeOnly | Weights) for mark in field.metadata):
                del plain[name]
            elif isinstance(value := getattr(self, name), Settings):
                plain[name] = value.decisive()
            elif isinstance(value, tuple) and any(isinstance(each, Settings) for each in value):
                plain[name] = [each.decisive() for each in value]
        return plain

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, source: str = "configuration", overrides: Sequence[str] = ()) -> Self:
        """Validate plain values, which come from `source`, with `overrides` as `with_overrides` applies them.

        Raises:
            ConfigError: naming for every problem the dotted path, what is wrong and the value given.
        """
        values = with_overrides(values, overrides, cls)
        problems = [
            (path, f"{path}: a number is needed (got {truth})") for path, truth in truths_for_numbers(cls, values)
        ]
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            found = error.errors()
            # Of a list whose entries are wrong pydantic says besides that it has too few of them.
            inner = {each["loc"][:length] for each in found for length in range(len(each["loc"]))}
            of_values = [each for each in found if each["type"] != "too_short" or each["loc"] not in inner]
            problems += [_problem(problem, cls) for problem in of_values]
        else:
            if not problems:
                return settings
        blamed = _blamed(source, overrides, [path for path, _ in problems])
        lines = [f"{blamed}: {len(problems)} invalid setting(s)", *(f"  {problem}" for _, problem in problems)]
        raise ConfigError("\n".join(lines))


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read one whole YAML file as a mapping.

    Raises:
        ConfigError: the file is missing, cannot be read, is not YAML, or does not hold a mapping.
    """
    try:
        values = load_strictly(Path(os.path.expanduser(path)).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: a folder, not a configuration file; name one YAML file in it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}; check the file's permissions and its path") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}; name a YAML file, saved as UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(values).__name__}")
    return values


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str], settings: Any) -> dict[str, Any]:
    """Apply `dotted.key=value` overrides to a nested mapping that will be `settings`, returning a new one.

    A setting that is a text has what was typed, quotes around all of it taken off; `null` is none. Other values are in
    YAML notation. Nothing behind the `=` is an empty text, not YAML's null.

    Args:
        values: what is set so far.
        overrides: in order, later ones go before earlier ones.
        settings: the class of `Settings` that all this is for, or a union of them.

    Raises:
        ConfigError: an override has no `=`, is not YAML, or its path runs through something that is not a mapping.
    """
    result = _copy_nested(values)
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not path:
            raise ConfigError(f"override {_shown(override)}: write it as dotted.key=value")
        keys = path.split(".")
        try:
            value = _typed(text) if takes_text(settings, keys) else load_strictly(text) if text.strip() else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"override {_shown(override)}: its value is not YAML: {error}") from None
        _assign(result, keys, value)
    return result


def _typed(text: str) -> str | None:
    if not text.strip():
        return ""
    if _QUOTED_OR_NULL.fullmatch(text.strip()):
        with suppress(yaml.YAMLError):  # it may begin and end with quotes that are its own: 'a' and 'b'
            return load_strictly(text)
    return text


def _copy_nested(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy_nested(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _assign(target: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        child = target.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override of {'.'.join(keys)}: {key} is not a group of settings")
        target = child
    target[keys[-1]] = value


def _blamed(source: str, overrides: Sequence[str], paths: Sequence[str]) -> str:
    """Name of the place where the settings at these paths were made: source, command line, or both or unknown."""
    said = [override.partition("=")[0].split(".") for override in overrides]

    def is_said(path: str) -> bool:
        return any(all(a == b for a, b in zip(path.split("."), keys, strict=False)) for keys in said)

    if said and all(path and is_said(path) for path in paths):
        return "command line"
    of_file = not said or all(path and not is_said(path) for path in paths)
    return source if of_file or source == "command line" else f"{source} with the command line's settings"


def _problem(problem: Mapping[str, Any], settings: type[Settings]) -> tuple[str, str]:
    """Path of a problem, and a line about it."""
    path, given = written_path(settings, problem["loc"]), problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            if inner := stand_without(settings, path, given):
                return path, f"{path}: unknown setting; leave out the prefix {path}. before {' and '.join(inner)}"
            meant = meant_by(settings, path, given)
            alternatives = " or ".join([*([", ".join(meant[:-1])] if meant[1:] else []), *meant[-1:]])
            asked = f"is {alternatives} meant?" if meant else "check the spelling, or remove it"
            return path, f"{path}: unknown setting; {asked}"
        case "missing":
            return path, f"{path}: required, but not given"
        case "finite_number":
            return path, f"{path}: {given} is no number to work with; null stands for none where that may be"
        case "string_type":
            told = "a text is needed; write it in quotes"
        case "model_type" | "dict_type":
            told = "a group of settings is needed, one a line below it"
        case "tuple_type" | "list_type" | "frozen_set_type":
            told = "a list is needed, written as [ONE, ANOTHER]"
        case "invalid_key":
            told = "the name of a setting is needed"
        case _:
            told = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and isinstance(given, Mapping | Settings):
        return path, f"{path}: {told}" if path else told  # about several settings, which it names
    return path, f"{path or '(top level)'}: {told} (got {_shown(given)})"


def _shown(value: Any) -> str:
    """A value in a message: its beginning, without addresses, in which there may be credentials."""
    text = _ADDRESS.sub("://***", repr(value))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}... of {len(text):,} characters"
