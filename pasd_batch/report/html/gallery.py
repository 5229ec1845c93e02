"""Photos that the page shows: the worst, best, most changed and some at random, before and after."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pasd_batch.report.html.digest import RunDigest
from pasd_batch.report.score_pairs import AFTER, BEFORE, score_pairs

_SIDES = (480, 360, 240, 120)
"""Longest side of a shown picture in pixels; smaller ones for pictures that would take too many bytes."""

MOST_BYTES = 4_200_000
"""Size of all pictures together, as they stand in the page."""

_QUALITIES = (82, 70, 55, 40, 25)
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
    named = [*after, *(name for name in digest.score_columns if not name.endswith((BEFORE, "_input")))]
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
    yield f"worst {key}", _order(quality)
    yield f"best {key}", _order(-quality)
    pair = score_pairs(list(digest.score_columns)).get(key.removesuffix(AFTER))
    if pair is not None:
        change = np.where(restored, digest.values(pair[1]) - digest.values(pair[0]), np.nan) * better
        yield f"most improved {key}", _order(-np.where(change > 0, change, np.nan))
        yield f"most worsened {key}", _order(np.where(change < 0, change, np.nan))


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
    shown = [picture for picture in (before, after) if picture is not None]
    size, encoded = _encoded(shown, _SIDES[-1], most_bytes)
    for side in _SIDES[:-1]:
        larger, pictures = _encoded(shown, side, most_bytes)
        if sum(map(len, pictures)) <= most_bytes:
            size, encoded = larger, pictures
            break
    return ShownPhoto(row, name, encoded[0], encoded[1] if after is not None else None, size[0], size[1], tuple(notes))


def _encoded(pictures: Sequence[np.ndarray], side: int, most_bytes: int) -> tuple[tuple[int, int], list[str]]:
    """Pictures at the last one's size, at most `side` pixels, and what that size is."""
    height, width = pictures[-1].shape[:2]
    factor = min(1.0, side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return size, [_data_uri(_resized(picture, size), most_bytes // len(pictures)) for picture in pictures]


def _resized(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    levels = np.clip(np.nan_to_num(picture) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(levels, "RGB").resize(size, Image.Resampling.LANCZOS)


def _data_uri(picture: Image.Image, most_bytes: int) -> str:
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality)
        data = buffer.getvalue()
        if len(data) * 4 // 3 <= most_bytes:
            break
    return "data:image/webp;base64," + base64.b64encode(data).decode()
