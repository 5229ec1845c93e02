"""Immerkaer's mask: the difference of two Laplacians, to which no plane and no straight edge along an axis answers."""

import numpy as np
from jaxtyping import Float32


def laplacian_answers(
    planes: Float32[np.ndarray, "windows height width"],
) -> Float32[np.ndarray, "windows rows columns"]:
    """Answers to [[1, -2, 1], [-2, 4, -2], [1, -2, 1]] at all pixels but the outermost.

    White noise of deviation s gives answers of deviation 6 s, uncorrelated 3 pixels apart.
    """
    across = planes[:, :, :-2] - 2.0 * planes[:, :, 1:-1] + planes[:, :, 2:]
    return across[:, :-2] - 2.0 * across[:, 1:-1] + across[:, 2:]
