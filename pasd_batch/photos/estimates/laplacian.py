"""Immerkaer's filter (1996), the difference of two Laplacians: zero on planes and on straight edges along an axis."""

import numpy as np
from jaxtyping import Float32


def laplacian_response(
    planes: Float32[np.ndarray, "windows height width"],
) -> Float32[np.ndarray, "windows rows columns"]:
    """Response to [[1, -2, 1], [-2, 4, -2], [1, -2, 1]] at all pixels but the outermost.

    White noise of standard deviation s has a response of standard deviation 6 s, uncorrelated 3 pixels apart.
    """
    across = planes[:, :, :-2] - 2.0 * planes[:, :, 1:-1] + planes[:, :, 2:]
    return across[:, :-2] - 2.0 * across[:, 1:-1] + across[:, 2:]
