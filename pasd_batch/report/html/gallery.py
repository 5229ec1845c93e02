"""Photos that the page shows: the worst, best, most changed and some at random, before and after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pasd_batch.report.html.digest import RunDigest
from pasd_batch.report.html.pictures import encoded_pictures
from pasd_batch.report.score_pairs import AFTER, BEFORE, INPUT, score_pairs

_SEED = 0


@dataclass(frozen=True)
class Choice:
    """Photos chosen for one reason."""

    title: str
    rows: tuple[int, ...]
    """Numbers of rows in the plan's order."""


@dataclass(frozen=True)
class ShownPhoto:
    """A photo as the page shows it; pictures are `data:` URIs, and both have `width` x `height` pixels."""

    row: int
    name: str
    before: str
    after: str | None
    width: int
    height: int
    notes: tuple[str, ...]


def key_score(digest: RunDigest) -> str | None:
    """The score that photos are ranked by: the first after restoring without a reference, else the first there is."""
    after = [name for name in digest.score_columns if name.endswith(AFTER)]
    named = [*after, *(name for name in digest.score_columns if not name.endswith((BEFORE, INPUT)))]
    return next((name for name in named if np.isfinite(digest.values(name)).any()), None)


def choose(digest: RunDigest, photos: int) -> list[Choice]:
    """Up to `photos` photos in all that did not fail, no photo for two reasons."""
    restored = np.frombuffer(digest.restored, np.int8).astype(bool)
    taken: set[int] = set()
    rankings = list(_rankings(digest, restored))
    share = max(1, min(photos, int(restored.sum())) // (len(rankings) + 1))
    choices = []
    for title, order in rankings:
        rows = [int(row) for row in order if int(row) not in taken][: min(share, photos - len(taken))]
        taken.update(rows)
        choices.append(Choice(title, tuple(rows)))
    rest = np.setdiff1d(np.flatnonzero(restored), np.array(sorted(taken), np.int64))
    number = min(max(0, photos - len(taken)), rest.size)
    drawn = np.sort(np.random.default_rng(_SEED).choice(rest, number, replace=False))
    choices.append(Choice("at random", tuple(int(row) for row in drawn)))
    return [choice for choice in choices if choice.rows]


def _rankings(digest: RunDigest, restored: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    key = key_score(digest)
    if key is None:
        return
    better = 1.0 if digest.score_columns[key].higher_is_better else -1.0
    quality = np.where(restored, digest.values(key), np.nan) * better
    metric = key.removesuffix(AFTER)
    yield f"worst by {metric}", _order(quality)
    yield f"best by {metric}", _order(-quality)
    pair = score_pairs(list(digest.score_columns)).get(metric)
    if pair is not None:
        change = np.where(restored, digest.values(pair[1]) - digest.values(pair[0]), np.nan) * better
        yield f"improved most by {metric}", _order(-np.where(change > 0, change, np.nan))
        yield f"worsened most by {metric}", _order(np.where(change < 0, change, np.nan))


def _order(values: np.ndarray) -> np.ndarray:
    """Rows from the lowest value up, those without one left out."""
    known = np.flatnonzero(np.isfinite(values))
    return known[np.argsort(values[known], kind="stable")]


def shown_photo(
    row: int, name: str, before: np.ndarray, after: np.ndarray | None, notes: Sequence[str], *, most_bytes: int
) -> ShownPhoto:
    """A photo with its pictures encoded in at most about `most_bytes`.

    `before` and `after` are float32 (height, width, 3), sRGB in [0, 1]; the input is enlarged to the size of the
    result, as it is for the scores before.
    """
    pictures = encoded_pictures([each for each in (before, after) if each is not None], most_bytes=most_bytes)
    result = None if after is None else pictures.uris[1]
    return ShownPhoto(row, name, pictures.uris[0], result, pictures.width, pictures.height, tuple(notes))
