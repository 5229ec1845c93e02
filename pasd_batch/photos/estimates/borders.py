"""Plain borders of a photo: frames, letterboxes, and the bed of a scanner around a print."""

from dataclasses import dataclass

import numpy as np

from pasd_batch.photos.estimates.levels import as_levels, checked_pixels

PLAIN = 4.0
"""Levels of 255 by which pixels of a border deviate within a line (standard deviation), and lines from the first."""

STEP = 12.0
"""Levels by which half of a line differs from its border where the photo begins: a sky ends without such a step."""

_PIXELS_OF_A_LINE = 512
"""Pixels sampled of a long line; up to twice as many."""

_LINES_AT_ONCE = 32
_REACH = 8
"""Lines within which a border turns into the photo: a block of JPEG, in which its edge rings."""

_MOST_BANDS = 4
"""Bands that may lie within each other, such as a white margin around a black line."""


@dataclass(frozen=True)
class Borders:
    """Widths of the plain bands at a photo's edges, in pixels; all 0 if it has none."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def share(self, *, height: int, width: int) -> float:
        """Part of a photo's area that they take, 0 to 1."""
        inside = (height - self.top - self.bottom) * (width - self.left - self.right)
        return 1.0 - inside / (height * width)


def find_borders(pixels: np.ndarray) -> Borders:
    """Bands of one colour along whole edges of a photo that end with a step.

    `pixels` (height, width, 3) as `as_levels` takes it. Similar to ImageMagick's `-trim` with a `-fuzz`, which knows no
    step. A photo that is all of one colour has none.
    """
    rest = checked_pixels(pixels)
    left = top = right = bottom = 0
    for _ in range(_MOST_BANDS):
        upper = _band(rest)
        if upper is None:
            break
        rest = rest[upper:]
        lower = _band(rest[::-1]) or 0
        rest = rest[: len(rest) - lower]
        before = _band(rest.swapaxes(0, 1)) or 0
        rest = rest[:, before:]
        after = _band(rest[:, ::-1].swapaxes(0, 1)) or 0
        rest = rest[:, : rest.shape[1] - after]
        if not (upper or lower or before or after):
            break
        left, top, right, bottom = left + before, top + upper, right + after, bottom + lower
    return Borders(left, top, right, bottom)


def _band(lines: np.ndarray) -> int | None:
    """Number of the first lines (count, length, 3) that are a border: as plain as the first, up to a step.

    None if all are plain.
    """
    lines = lines[:, :: max(1, lines.shape[1] // _PIXELS_OF_A_LINE)]
    color, start, count = as_levels(lines[0]).mean(axis=0), 0, _REACH
    while start < len(lines):
        part = as_levels(lines[start : start + count])
        means = part.mean(axis=1)
        is_plain = (part.std(axis=1).max(axis=1) <= PLAIN) & (np.abs(means - color).max(axis=1) <= PLAIN)
        if not is_plain.all():
            end = start + int(is_plain.argmin())
            return end if end and _begins_with_a_step(lines[end : end + _REACH], color) else 0
        start, count = start + count, min(2 * count, _LINES_AT_ONCE)
    return None


def _begins_with_a_step(lines: np.ndarray, color: np.ndarray) -> bool:
    differences = np.abs(as_levels(lines) - color).max(axis=2)
    return bool(np.median(differences, axis=1).max() >= STEP)
