"""Information in a photo's colours: low in plain pictures, blanks and scans of empty pages."""

import numpy as np
from PIL import Image

from pasd_batch.photos.estimates.levels import as_uint8, checked_pixels


def entropy(pixels: np.ndarray) -> float:
    """Entropy of the histogram of 8-bit levels, bits: 0 for a plain photo, up to 8 for grey and 9.58 for colour.

    Pillow's `Image.entropy`, whose histogram has the three channels one after the other; a photo (height, width, 3) of
    equal channels counts as one. CleanVision calls a tenth of it the score of `low_information` (an issue below 0.3).
    """
    rounded = as_uint8(checked_pixels(pixels))
    is_grey = bool((rounded[..., 1:] == rounded[..., :1]).all())
    return Image.fromarray(np.ascontiguousarray(rounded[..., 0]) if is_grey else rounded).entropy()
