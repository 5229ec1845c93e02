"""Differences between two runs: settings that decide what comes out, manifest, weights, scores."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from pasd_batch.config.run import RunSettings

if TYPE_CHECKING:
    from pasd_batch.runs.run_file import RunFile

_OF_PASS = re.compile(r"(?<=^restoration\.)passes\.\d+\.")
_NO_DEFAULT, _NOT_SET = object(), object()
_MOST_SHOWN = 160
"""Characters of a group of settings that are shown."""


@dataclass(frozen=True)
class Difference:
    """Thing in which two runs differ, with what it is in each; for people."""

    name: str
    first: str
    second: str

    def line(self, here: str, there: str) -> str:
        """The difference in a line; `here` and `there` are the words for the two runs."""
        return f"{self.name}: {self.first} {here}, {self.second} {there}"


def differences_between(existing: "RunFile", wanted: "RunFile") -> Iterator[Difference]:
    """Differences that make two runs different ones; none if they are the same.

    Settings that only one of them has, as it works in another mode, are none.
    """
    before, now = flat_settings(existing.config), flat_settings(wanted.config)
    defaults = default_settings()
    for name in sorted(before.keys() | now.keys() if same_mode(existing, wanted) else before.keys() & now.keys()):
        if name not in before and now[name] == defaults.get(in_one_pass(name), _NO_DEFAULT):
            continue  # the version that began the run did not have this setting yet
        if before.get(name) != now.get(name):
            yield from _within(name, before.get(name, _NOT_SET), now.get(name, _NOT_SET))
    if existing.manifest_fingerprint != wanted.manifest_fingerprint:
        yield Difference("manifest", _manifest(existing), _manifest(wanted))
    if existing.model_fingerprint != wanted.model_fingerprint:
        yield Difference("model weights", str(existing.model_fingerprint), str(wanted.model_fingerprint))
    if _names(existing) != _names(wanted):
        yield Difference("scores", str(_names(existing)), str(_names(wanted)))


def same_mode(first: "RunFile", second: "RunFile") -> bool:
    """True if two runs do the same with their photos, so that they have the same settings."""
    return first.config.get("mode") == second.config.get("mode")


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted paths, those of passes by their numbers, too."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{name}.")
        elif name == "passes" and isinstance(value, list) and value:
            flat |= flat_settings({str(number): each for number, each in enumerate(value)}, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def in_one_pass(name: str) -> str:
    """Dotted path of a setting of one of several passes as it is where there is one pass; others stay."""
    return _OF_PASS.sub("", name)


def default_settings() -> dict[str, Any]:
    """Settings that decide what comes out, as they are where nothing is said, by dotted path."""
    least = {"manifest": {"path": "manifest.csv"}, "output": {"root": "run"}}
    return flat_settings(RunSettings.parse(least).decisive())


def shown_setting(config: Mapping[str, Any], name: str) -> str:
    """A run's setting, or group of settings, at a dotted path of `differences_between`, for people."""
    value: Any = config
    for part in name.split("."):
        members = _members(value) or {}
        value = members.get(part, _NOT_SET)
    return _shown(value)


def _within(name: str, first: Any, second: Any) -> Iterator[Difference]:
    """Differences of a setting; where it is a group, such as a map of adaptation, those of what differs in it."""
    one, other = _members(first), _members(second)
    if one is None or other is None:
        yield Difference(name, _shown(first), _shown(second))
        return
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            yield from _within(f"{name}.{key}", one.get(key, _NOT_SET), other.get(key, _NOT_SET))


def _members(value: Any) -> Mapping[str, Any] | None:
    """Settings in a group, or groups in a list by their numbers; None: it is neither."""
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return {str(number): each for number, each in enumerate(value)}
    return value if isinstance(value, Mapping) else None


def _shown(value: Any) -> str:
    """A value for people; of a group what is set in it, as YAML on a line."""
    if value is _NOT_SET:
        return "not set"
    if _members(value) is None:
        return repr(value)
    text = yaml.safe_dump(_given(value), default_flow_style=True, sort_keys=False, width=math.inf).strip()
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}... of {len(text):,} characters"


def _given(value: Any) -> Any:
    """A value without the settings in it that are none."""
    if isinstance(value, Mapping):
        return {name: _given(each) for name, each in value.items() if each is not None}
    return [_given(each) for each in value] if isinstance(value, list) else value


def _manifest(run: "RunFile") -> str:
    return f"{run.photos:,} photos of {run.manifest} ({run.manifest_fingerprint[:12]})"


def _names(run: "RunFile") -> list[str]:
    return [column.name for column in run.score_columns]
