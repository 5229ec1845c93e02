"""Fidelity of a restored photo to its input: a model that invents scores low here.

The result is scaled back to the input's size and compared with it; pyiqa is not needed for it.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pasd_batch.luma import BT601
from pasd_batch.metrics.color_difference import color_differences, grid_step
from pasd_batch.metrics.pictures import bands_of_both, resampled

PSNR_CAP = 100.0
SSIM_WINDOW = 11

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Fidelity:
    """Closeness of a result to its input.

    Attributes:
        psnr: decibels over RGB, higher is closer; 100 where they are equal.
        ssim: structural similarity of luma, 1 where equal; None for photos below 11 pixels a side.
        color_difference: mean CIEDE2000, 0 where equal; about 1 is just noticeable side by side.
    """

    psnr: float
    ssim: float | None
    color_difference: float


def fidelity(photo: np.ndarray, restored: np.ndarray) -> Fidelity:
    """Compare a result with its input; both (height, width, 3), sRGB of any two sizes: floats in [0, 1] or integers."""
    squares, similar, windows, differences, points = 0.0, 0.0, 0, 0.0, 0
    step = grid_step(photo)
    both = bands_of_both(photo, restored, more=SSIM_WINDOW - 1, method=Image.Resampling.BICUBIC)
    for rows, seen, back in both:
        height = rows.stop - rows.start
        squares += _squares(seen[:height], back[:height])
        if min(seen.shape[:2]) >= SSIM_WINDOW:
            total, count = _similarities(seen, back)
            similar, windows = similar + total, windows + count
        on_grid = slice(-rows.start % step, height, step)
        differences += color_differences(seen[on_grid, ::step], back[on_grid, ::step])
        points += seen[on_grid, ::step, 0].size
    return Fidelity(
        psnr=_decibels(squares / photo.size),
        ssim=similar / windows if windows else None,
        color_difference=differences / points,
    )


def scaled_to(photo: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """The photo (height, width, 3) at another size, by bicubic resampling that takes in every pixel."""
    return resampled(photo, height=height, width=width, method=Image.Resampling.BICUBIC)


def enlarged_to(photo: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The photo (height, width, 3) at the size of another one, by Lanczos resampling: what needs no model."""
    return resampled(photo, height=other.shape[0], width=other.shape[1], method=Image.Resampling.LANCZOS)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels of two photos in [0, 1], at most `PSNR_CAP`."""
    return _decibels(_squares(first, second) / first.size)


def _squares(first: np.ndarray, second: np.ndarray) -> float:
    """Sum of squared differences."""
    difference = np.subtract(first, second, dtype=np.float32)
    return float(np.sum(np.square(difference, out=difference), dtype=np.float64))


def _decibels(error: float) -> float:
    return PSNR_CAP if error <= 10 ** (-PSNR_CAP / 10) else -10 * float(np.log10(error))


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity of two photos' luma: Wang et al. 2004, gaussian 11 x 11 window, valid region only.

    Raises:
        ValueError: a side is shorter than the window.
    """
    if min(first.shape[:2]) < SSIM_WINDOW:
        raise ValueError(f"{first.shape[1]} x {first.shape[0]} pixels is less than SSIM's window of {SSIM_WINDOW}")
    total, count = _similarities(first, second)
    return total / count


def _similarities(first: np.ndarray, second: np.ndarray) -> tuple[float, int]:
    """Sum of the similarities around all pixels whose window lies inside, and how many there are."""
    total, count = 0.0, 0
    for start in range(0, first.shape[0] - SSIM_WINDOW + 1, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE + SSIM_WINDOW - 1)
        values = _similarity(first[rows] @ BT601, second[rows] @ BT601)
        total += float(values.sum())
        count += values.size
    return total, count


def _similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Similarities around the pixels (height - 10, width - 10) whose window lies inside both pictures."""
    from skimage.metrics import structural_similarity

    values = structural_similarity(
        x, y, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1]
    border = SSIM_WINDOW // 2
    return values[border:-border, border:-border]
