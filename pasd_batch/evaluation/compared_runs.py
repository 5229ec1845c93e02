"""Runs side by side: each further one against the first, or a single one against plain enlargement."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pasd_batch.evaluation.comparison import BASELINE, Comparison, PhotoChange, compare_runs, compare_with_baseline
from pasd_batch.evaluation.run_scores import RunScores, read_scores
from pasd_batch.report.score_pairs import score_pairs
from pasd_batch.runs.run_differences import (
    Difference,
    differences_between,
    flat_settings,
    same_mode,
    shown_setting,
)
from pasd_batch.runs.run_file import RunFile, read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.location import redact_uri

_TOLD = ("restoration.", "metrics.")
"""Settings that are told, too, where they only say where something is done, or by weights of which name."""


@dataclass(frozen=True)
class ComparedRun:
    """A run among others, called by a letter."""

    letter: str
    folder: RunFolder
    about: RunFile
    scores: RunScores

    @property
    def uri(self) -> str:
        """Its address, for people."""
        return redact_uri(self.folder.storage.uri())


@dataclass(frozen=True)
class DifferingSetting:
    """Something that is not the same in all runs, with what it is in each."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Versus:
    """A comparison with what was compared; `first` is None for plain enlargement."""

    first: ComparedRun | None
    second: ComparedRun
    comparison: Comparison

    @property
    def names(self) -> tuple[str, str]:
        """Both for people: addresses of runs."""
        return (BASELINE if self.first is None else self.first.uri), self.second.uri

    @property
    def letters(self) -> tuple[str, str]:
        """Both as a page calls them that has all runs' letters."""
        return ("plain enlargement" if self.first is None else self.first.letter), self.second.letter

    def scores_of(self, photo: PhotoChange, name: str) -> tuple[float, float]:
        """A score of a photo in both; NaN where there is none."""
        second = float(self.second.scores.values[name][photo.second])
        if self.first is not None:
            return float(self.first.scores.values[name][photo.first]), second
        before = next(pair[0] for pair in score_pairs(list(self.second.scores.values)).values() if pair[1] == name)
        return float(self.second.scores.values[before][photo.second]), second


@dataclass(frozen=True)
class ComparedRuns:
    """All runs, their comparisons, and what differs between them."""

    runs: tuple[ComparedRun, ...]
    comparisons: tuple[Versus, ...]
    differing: tuple[DifferingSetting, ...]


def compare(folders: Sequence[RunFolder]) -> ComparedRuns:
    """Compare each further run with the first by what they have committed so far; a single one with its baseline.

    Raises:
        NothingInCommon: runs have no photo in common.
        StorageError: a run cannot be read.
    """
    runs = tuple(_read(number, folder) for number, folder in enumerate(folders))
    first, others = runs[0], runs[1:]
    if others:
        comparisons = [Versus(first, other, compare_runs(first.scores, other.scores)) for other in others]
    else:
        comparisons = [Versus(None, first, compare_with_baseline(first.scores))]
    return ComparedRuns(runs, tuple(comparisons), tuple(_differing([run.about for run in runs])))


def _read(number: int, folder: RunFolder) -> ComparedRun:
    about = read_run(folder.storage)
    assert about is not None  # `open_run` has seen it
    return ComparedRun(chr(ord("A") + number), folder, about, read_scores(folder))


def _differing(runs: Sequence[RunFile]) -> Iterator[DifferingSetting]:
    against = [{each.name: each for each in _all_differences(runs[0], other)} for other in runs[1:]]
    names = dict.fromkeys(name for differences in against for name in differences)
    for name in names:
        if any(name.startswith(f"{other}.") for other in names):
            continue  # told with the group, in which one run differs as a whole
        if any(other.startswith(f"{name}.") for other in names):
            yield DifferingSetting(name, tuple(shown_setting(run.config, name) for run in runs))
            continue
        first = next(differences[name].first for differences in against if name in differences)
        others = (
            differences[name].second if name in differences else _as_first(name, first, runs[0], run)
            for differences, run in zip(against, runs[1:], strict=True)
        )
        yield DifferingSetting(name, (first, *others))


def _as_first(name: str, value: str, first: RunFile, run: RunFile) -> str:
    """The value of a run that does not differ from the first, unless it has no such setting in its mode."""
    lacks = name in flat_settings(first.config) and name not in flat_settings(run.config)
    return "not set" if lacks else value


def _all_differences(first: RunFile, second: RunFile) -> Iterator[Difference]:
    """Differences that make them different runs; names of weights, devices and the like; and versions."""
    yield from differences_between(first, second)
    one, other = _not_deciding(first), _not_deciding(second)
    if not same_mode(first, second):  # what decides in one mode may not in the other
        one, other = _common(one, other), _common(other, one)
    yield from _unequal(one, other)
    yield from _unequal(first.weights, second.weights, "commit of ")
    yield from _unequal(first.software, second.software, "version of ")


def _not_deciding(run: RunFile) -> dict[str, Any]:
    deciding = flat_settings(run.config)
    return {
        name: value
        for name, value in flat_settings(run.settings).items()
        if name.startswith(_TOLD) and name not in deciding
    }


def _common(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in others}


def _unequal(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterator[Difference]:
    for name in sorted(first.keys() | second.keys()):
        one, other = (str(values.get(name, "not set")) for values in (first, second))
        if one != other:
            yield Difference(prefix + name, one, other)
