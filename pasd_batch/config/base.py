"""Base class of all settings: frozen values that refuse unknown keys and report errors by dotted path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from pasd_batch.config.strict_yaml import load_strictly


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names every offending dotted path."""


InOrder = PlainSerializer(sorted, return_type=list, when_used="json")
"""For sets, whose own order is another one in every process: sorted, so that equal settings are written alike."""


def _refuse_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("a path is needed, and this one is empty; null stands for none where that may be")
    return value


LocalPath = Annotated[Path, BeforeValidator(_refuse_empty)]
"""A path on this machine; an empty one is not taken for the working folder."""


class Settings(BaseModel):
    """A frozen group of settings; unknown keys are errors, every field is documented where it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, source: str = "configuration") -> Self:
        """Validate plain values.

        Raises:
            ConfigError: naming for every problem the dotted path, what is wrong and the value given.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(_describe(error, source)) from None


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read one whole YAML file as a mapping.

    Raises:
        ConfigError: the file is missing, cannot be read, is not YAML, or does not hold a mapping.
    """
    try:
        values = load_strictly(Path(path).read_text(encoding="utf-8"))
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


def with_overrides(values: Mapping[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Apply `dotted.key=value` overrides (values in YAML notation) to a nested mapping, returning a new one.

    Nothing behind the `=` is an empty text, not YAML's null, which `dotted.key=null` gives.

    Raises:
        ConfigError: an override has no `=`, is not YAML, or its path runs through something that is not a mapping.
    """
    result = _copy_nested(values)
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not path:
            raise ConfigError(f"override {override!r}: write it as dotted.key=value")
        try:
            value = load_strictly(text) if text.strip() else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"override {override!r}: its value is not YAML: {error}") from None
        _assign(result, path.split("."), value, override)
    return result


def _copy_nested(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy_nested(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _assign(target: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        child = target.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"override {override!r}: {key} is not a group of settings")
        target = child
    target[keys[-1]] = value


def _describe(error: ValidationError, source: str) -> str:
    lines = [f"{source}: {error.error_count()} invalid setting(s)"]
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"]) or "(top level)"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {path}: unknown setting; check the spelling, or remove it")
        elif problem["type"] == "missing":
            lines.append(f"  {path}: required, but not given")
        elif problem["type"] == "finite_number":
            lines.append(
                f"  {path}: {problem['input']} is no number to work with; null stands for none where that may be"
            )
        else:
            lines.append(f"  {path}: {problem['msg']} (got {problem['input']!r})")
    return "\n".join(lines)
