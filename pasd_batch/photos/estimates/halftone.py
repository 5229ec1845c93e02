"""Halftone screen of a print: dots with a period of a few pixels."""

import numpy as np

from pasd_batch.photos.estimates.laplacian import laplacian_response
from pasd_batch.photos.estimates.sample import PhotoSample

_WINDOW = 128
_NEAREST, _FARTHEST = 3, 12
"""Periods of dots, pixels: below, the filter itself correlates noise; above, lines of text repeat."""

_LARGEST_ANSWER = 4.5
"""Times the median: edges do not outweigh the rest."""


def halftone_strength(sample: PhotoSample) -> float | None:
    """Largest autocorrelation of luma's fine structure at a distance of 3 to 12 pixels: -1 to 1, near 1 for a screen.

    Photos have less than 0.25, prints with up to 6 pixels between dots usually more. None below 130 pixels a side.
    """
    if min(sample.luma.shape[1:]) < _WINDOW + 2:
        return None
    answers = laplacian_response(sample.luma)
    bound = _LARGEST_ANSWER * float(np.median(np.abs(answers)))
    if bound == 0.0:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(np.clip(answers, -bound, bound), (_WINDOW, _WINDOW), axis=(1, 2))
    apart = windows[:, ::_WINDOW, ::_WINDOW].reshape(-1, _WINDOW, _WINDOW)
    power = np.mean(np.abs(np.fft.rfft2(apart)) ** 2, axis=0)
    correlation = np.fft.irfft2(power, (_WINDOW, _WINDOW))
    places = np.minimum(np.arange(_WINDOW), _WINDOW - np.arange(_WINDOW))
    down, across = np.meshgrid(places, places, indexing="ij")
    counted = (np.maximum(down, across) >= _NEAREST) & (np.hypot(down, across) <= _FARTHEST)
    return float(correlation[counted].max() / correlation[0, 0])
