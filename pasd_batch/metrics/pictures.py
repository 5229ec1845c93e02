"""Pictures that are compared: floats, or the integers of large ones, which are made floats in parts."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

MOST_WHOLE = 50_000_000
"""Most pixels of a picture of which all floats are there at once."""

_LARGEST = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
_ROWS_AT_ONCE = 512
_REACH = 4
"""Pixels of a smaller picture over which resampling looks, on either side, and more than that."""


def to_float(pixels: np.ndarray) -> np.ndarray:
    """uint8 and uint16 as float32 in [0, 1]; floats as they are."""
    largest = _LARGEST.get(pixels.dtype)
    return pixels if largest is None else np.divide(pixels, np.float32(largest), dtype=np.float32)


def resampled(photo: np.ndarray, *, height: int, width: int, method: Image.Resampling) -> np.ndarray:
    """The photo (height, width, 3) at another size as float32 in [0, 1]."""
    if photo.shape[:2] == (height, width):
        return to_float(photo)
    return _of_box(photo, (width, height), (0.0, 0.0, photo.shape[1], photo.shape[0]), method)


def bands_of_both(
    first: np.ndarray, second: np.ndarray, *, more: int, method: Image.Resampling
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Bands of rows of a photo, and as floats it and another one resampled to its size, there and `more` rows below.

    One band unless a photo is large.
    """
    height, width = first.shape[:2]
    is_large = max(first.shape[0] * first.shape[1], second.shape[0] * second.shape[1]) > MOST_WHOLE
    for start in range(0, height, _ROWS_AT_ONCE if is_large else height):
        rows = slice(start, min(start + _ROWS_AT_ONCE, height) if is_large else height)
        stop = min(rows.stop + more, height)
        yield rows, to_float(first[start:stop]), _rows(second, start, stop, height, width, method)


def _rows(photo: np.ndarray, start: int, stop: int, height: int, width: int, method: Image.Resampling) -> np.ndarray:
    """Rows `start` to `stop` of the photo at another size."""
    if stop - start == height or photo.shape[:2] == (height, width):
        return resampled(photo, height=height, width=width, method=method)[start:stop]
    scale = photo.shape[0] / height
    reach = int(_REACH * max(1.0, scale)) + 1
    above, below = max(0, int(start * scale) - reach), min(photo.shape[0], int(stop * scale) + reach)
    box = (0.0, start * scale - above, float(photo.shape[1]), min(stop * scale, photo.shape[0]) - above)
    return _of_box(photo[above:below], (width, stop - start), box, method)


def _of_box(
    photo: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float], method: Image.Resampling
) -> np.ndarray:
    channels = []
    for channel in range(3):
        image = Image.fromarray(np.ascontiguousarray(to_float(photo[..., channel]), np.float32))
        channels.append(np.asarray(image.resize(size, method, box)))
    return np.clip(np.stack(channels, axis=2), 0.0, 1.0)
