"""Measure of grids with the latents' period in a restored photo: dots, blocks or stair steps every 8 pixels.

Such a pattern has its power at multiples of 1/8 cycle a pixel. The power there is compared with the power beside them,
which is that of the photo's own content and noise, and the result with the clean photo's: 1 is no more of a grid.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from pasd_batch.luma import BT601

GRID_BOUND = 1.2
"""Bound of the mean over photos; a single photo without a grid exceeds it now and then."""

PERIOD = 8
MIN_SIDE = 256
"""Pixels; smaller photos have too few windows: at 132 a little noise alone gives figures up to 1.9."""

WINDOW = 64
"""Pixels a side of the windows whose spectra are compared."""

STEP = 32
"""Pixels from one window to the next."""

_ASIDE = 3
"""Bins between a frequency and those it is compared with; a Hann window spreads a steady pattern over one."""

FLOOR = 1.0
"""Power of white noise of one level's deviation (of 255), added to every spectrum: what is weaker is not seen, and
rounding to 8 bits, which is periodic itself in smooth parts of an enlarged photo, does not count."""

_WINDOWS_AT_ONCE = 512


@dataclass(frozen=True)
class PeriodicPattern:
    """Ratio of the grid in a restored photo to that in the clean one.

    Attributes:
        flat: in the third of the windows where the clean photo has the weakest gradients; 1 is as in the clean photo.
        edges: the same for the third with the strongest.
    """

    flat: float
    edges: float


def periodic_pattern(clean: np.ndarray, restored: np.ndarray) -> PeriodicPattern | None:
    """Compare the grid of two photos, both (height, width, 3), sRGB in [0, 1]; None below `MIN_SIDE` pixels a side.

    Where the grid begins does not matter; its period does: a result that was scaled afterwards must be scaled back.
    JPEG's blocks are such a grid, too. Dots and checkerboards show in luma's spectrum, at all multiples. Blocks of
    random height and stair steps do not (their spectra are zero just there), but do in the strength of luma's
    differences: those repeat. Of these only multiples count that a period of 4 lacks, as enlarging by 2 or 4 repeats
    with it. The strongest of the three figures is taken.

    Raises:
        ValueError: the photos differ in size.
    """
    if clean.shape != restored.shape:
        raise ValueError(f"a photo of shape {restored.shape} cannot be compared with one of {clean.shape}; scale it")
    if min(clean.shape[:2]) < MIN_SIDE:
        return None
    before, after = _signals(clean), _signals(restored)
    strength = _windows(before[1] + before[2]).mean((2, 3)).ravel()
    order = np.argsort(strength, kind="stable")
    third = len(order) // 3
    flat, edges = (
        max(
            _figure(second, chosen, odd_only=index > 0) / _figure(first, chosen, odd_only=index > 0)
            for index, (first, second) in enumerate(zip(before, after, strict=True))
        )
        for chosen in (order[:third], order[-third:])
    )
    return PeriodicPattern(flat, edges)


def _signals(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luma in levels of 255, and the strength of its differences along rows and along columns."""
    luma = (photo @ BT601) * 255.0
    return luma[1:, 1:], np.abs(np.diff(luma, axis=1))[1:], np.abs(np.diff(luma, axis=0))[:, 1:]


def _windows(signal: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "rows columns side side"]:
    return np.lib.stride_tricks.sliding_window_view(signal, (WINDOW, WINDOW))[::STEP, ::STEP]


def _figure(signal: np.ndarray, chosen: np.ndarray, *, odd_only: bool) -> float:
    """Power at the grid's frequencies over that beside them: geometric mean over windows, mean over frequencies."""
    windows = _windows(signal)
    rows, columns = np.unravel_index(chosen, windows.shape[:2])
    contrast, odd = grid_contrast()
    total = np.zeros(contrast.shape[1])
    for start in range(0, len(chosen), _WINDOWS_AT_ONCE):
        part = slice(start, start + _WINDOWS_AT_ONCE)
        power = _power(windows[rows[part], columns[part]])
        total += (np.log(power + FLOOR).reshape(len(power), -1) @ contrast).sum(axis=0)
    excess = np.exp(total / len(chosen))
    return float(excess[odd].mean() if odd_only else excess.mean())


def _power(windows: Float[np.ndarray, "count side side"]) -> Float[np.ndarray, "count side side"]:
    """Power spectra, 1 everywhere for white noise of deviation 1."""
    weights = hann_weights()
    means = (windows * weights).sum(axis=(1, 2), keepdims=True) / weights.sum()
    return np.abs(np.fft.fft2((windows - means) * weights)) ** 2 / np.sum(weights**2)


@cache
def hann_weights() -> Float[np.ndarray, "side side"]:
    """Hann window of a spectrum, periodic."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return np.outer(hann, hann)


@cache
def grid_contrast() -> tuple[np.ndarray, np.ndarray]:
    """Matrix from a flattened log spectrum to excesses, a column for each frequency; and the mask of odd ones.

    Each is compared with its neighbours on both sides, along each axis on which it is not zero: an edge along rows or
    columns has its power on an axis, the neighbours there as well.
    """
    spacing, half = WINDOW // PERIOD, PERIOD // 2
    multiples = [
        (down, across)
        for down in range(1 - half, half + 1)
        for across in range(half + 1)
        if (down > 0 or across > 0) and not (down < 0 and across in (0, half))  # the others are their mirror images
    ]
    contrast = np.zeros((WINDOW, WINDOW, len(multiples)))
    for index, (down, across) in enumerate(multiples):
        row, column = down * spacing, across * spacing
        beside = [(row + aside, column) for aside in (-_ASIDE, _ASIDE) if down]
        beside += [(row, column + aside) for aside in (-_ASIDE, _ASIDE) if across]
        contrast[row % WINDOW, column % WINDOW, index] = 1.0
        for other_row, other_column in beside:
            contrast[other_row % WINDOW, other_column % WINDOW, index] -= 1.0 / len(beside)
    return contrast.reshape(WINDOW**2, -1), np.array([bool(down % 2 or across % 2) for down, across in multiples])
