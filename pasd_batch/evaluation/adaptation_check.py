"""Check of a map of adaptation: the best fixed setting, the best per photo, and maps that have not seen it.

Photos are left out whole, in all sets and scales that they are in, a part of them at a time; a map is fitted to the
rest and chooses for those left out. What it is worth is the share of the gap between the fixed setting and the best
per photo that it closes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pasd_batch.evaluation.adaptation_fit import chosen_variants, fit_map
from pasd_batch.evaluation.sweep import Sweep

_CONFIDENCE = (2.5, 97.5)
_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Choice:
    """Choice of a variant for each photo of a group, and what came of it."""

    objective: float
    """Mean over the photos."""
    scores: Mapping[str, float]
    """Means by metric."""


@dataclass(frozen=True)
class GroupCheck:
    """Photos of one set, or of all sets of one scale."""

    name: str
    photos: int
    fixed: Choice
    """The one setting that is best for all sets of the scale together."""
    adaptive: Choice
    best: Choice
    """The best setting of each photo."""
    closed: float
    """Share of the gap between `fixed` and `best` that `adaptive` closes; negative where it is the worse."""
    low: float
    high: float
    """The 95 % interval of that share: bootstrap over photos, all sets of a photo together."""


def left_out_choices(sweep: Sweep, folds: int, *, losses: float = 1.0) -> np.ndarray:
    """The variant for each photo, (photos,), by maps that were fitted without it.

    The parts depend on photos' names alone; `losses` as in `fit_map`.

    Raises:
        ValueError: there are fewer photos than parts.
    """
    names = sorted({photo.name for photo in sweep.photos}, key=lambda name: hashlib.sha256(name.encode()).digest())
    if not 2 <= folds <= len(names):
        raise ValueError(f"{folds} folds of {len(names)} photos; give 2 to {len(names)}")
    part = {name: number % folds for number, name in enumerate(names)}
    parts = np.array([part[photo.name] for photo in sweep.photos])
    chosen = np.zeros(len(sweep.photos), int)
    for fold in range(folds):
        left_out = parts == fold
        chosen[left_out] = chosen_variants(fit_map(sweep.part(~left_out), losses=losses), sweep.part(left_out))
    return chosen


def checks(sweep: Sweep, chosen: np.ndarray) -> Iterator[GroupCheck]:
    """The check of each set, and of all sets of each scale, by the variants chosen for photos."""
    scales = np.array([photo.scale for photo in sweep.photos])
    sets = np.array([photo.test_set for photo in sweep.photos])
    for scale in np.unique(scales):
        here = scales == scale
        fixed = int(sweep.objective[here].mean(axis=0).argmax())
        for name in dict.fromkeys(sets[here]):
            of_set = here & (sets == name)
            yield _check(str(name), sweep.part(of_set), chosen[of_set], fixed)
        yield _check(f"all of scale {scale:g}", sweep.part(here), chosen[here], fixed)


def _check(name: str, sweep: Sweep, chosen: np.ndarray, fixed: int) -> GroupCheck:
    best = sweep.objective.argmax(axis=1)
    every = np.arange(len(sweep.photos))
    gained = sweep.objective[every, chosen] - sweep.objective[:, fixed]
    possible = sweep.objective[every, best] - sweep.objective[:, fixed]
    low, high = _interval(gained, possible, [photo.name for photo in sweep.photos])
    return GroupCheck(
        name=name,
        photos=len(sweep.photos),
        fixed=_choice(sweep, np.full(len(every), fixed)),
        adaptive=_choice(sweep, chosen),
        best=_choice(sweep, best),
        closed=_share(gained.sum(), possible.sum()),
        low=low,
        high=high,
    )


def _choice(sweep: Sweep, variants: np.ndarray) -> Choice:
    every = np.arange(len(variants))
    scores = {name: float(values[every, variants].mean()) for name, values in sweep.scores.items()}
    return Choice(float(sweep.objective[every, variants].mean()), scores)


def _interval(gained: np.ndarray, possible: np.ndarray, names: list[str]) -> tuple[float, float]:
    _, photo = np.unique(names, return_inverse=True)
    sums = np.zeros((photo.max() + 1, 2))
    np.add.at(sums, photo, np.stack([gained, possible], axis=1))
    drawn = np.random.default_rng(_SEED).integers(0, len(sums), (_RESAMPLES, len(sums)))
    totals = sums[drawn].sum(axis=1)
    low, high = np.percentile([_share(*total) for total in totals], _CONFIDENCE)
    return float(low), float(high)


def _share(gained: float, possible: float) -> float:
    return float(gained / possible) if possible > 0.0 else 0.0
