"""Loss terms balanced by the norms of their gradients with respect to the pictures."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.training.objectives.losses import Picture, Scalar

_SMALLEST_NORM = 1e-20


def balanced_gradient(
    error: Scalar, terms: Sequence[tuple[float, Scalar]], pictures: Picture, shares: Float[Tensor, " batch"]
) -> Picture:
    """The error's gradient plus those of the terms, each scaled to a multiple of the error's norm.

    Python reads none of it, so that no step waits for a GPU. The terms share no graph: each is used up.

    Args:
        error: what the others are measured by.
        terms: multiples and terms.
        pictures: a leaf that all of them are computed from.
        shares: how much the terms count for each picture, after the scaling.
    """
    gradient = _gradient(error, pictures)
    norm = gradient.norm()
    weights = shares.view(-1, 1, 1, 1)
    for multiple, term in terms:
        own = _gradient(term, pictures)
        gradient = gradient + weights * (multiple * norm / own.norm().clamp(min=_SMALLEST_NORM)) * own
    return gradient


def _gradient(term: Scalar, pictures: Picture) -> Picture:
    return torch.autograd.grad(term, pictures)[0]
