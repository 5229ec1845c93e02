"""Differences between two runs: settings that decide what comes out, manifest, weights, scores."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pasd_batch.config.run import RunSettings

if TYPE_CHECKING:
    from pasd_batch.runs.run_file import RunFile

_OF_PASS = re.compile(r"(?<=^restoration\.)passes\.\d+\.")
_NO_DEFAULT = object()


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
    """Differences that make two runs different ones; none if they are the same."""
    before, now = flat_settings(existing.config), flat_settings(wanted.config)
    defaults = default_settings()
    for name in sorted(before.keys() | now.keys()):
        if name not in before and now[name] == defaults.get(in_one_pass(name), _NO_DEFAULT):
            continue  # the version that began the run did not have this setting yet
        if before.get(name) != now.get(name):
            yield Difference(name, _shown(before, name), _shown(now, name))
    if existing.manifest_fingerprint != wanted.manifest_fingerprint:
        yield Difference("manifest", _manifest(existing), _manifest(wanted))
    if existing.model_fingerprint != wanted.model_fingerprint:
        yield Difference("model weights", str(existing.model_fingerprint), str(wanted.model_fingerprint))
    if _names(existing) != _names(wanted):
        yield Difference("scores", str(_names(existing)), str(_names(wanted)))


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


def _shown(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "not set"


def _manifest(run: "RunFile") -> str:
    return f"{run.photos:,} photos of {run.manifest} ({run.manifest_fingerprint[:12]})"


def _names(run: "RunFile") -> list[str]:
    return [column.name for column in run.score_columns]
