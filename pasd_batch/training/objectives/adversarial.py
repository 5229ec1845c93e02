"""Discriminator losses: hinge loss and approximate R1 penalty."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pasd_batch.training.networks.discriminator import Logits
from pasd_batch.training.objectives.losses import Picture, Scalar

_NOISE = 0.05
"""Standard deviation of the noise of the finite difference, on pictures in [-1, 1]."""


def hinge_loss(real: Logits, fake: Logits, shares: Float[Tensor, " batch"]) -> Scalar:
    """Hinge loss max(0, 1 - D(real)) + max(0, 1 + D(fake)), with pictures weighted by `shares`."""
    losses = (functional.relu(1.0 - real) + functional.relu(1.0 + fake)).mean(dim=(1, 2, 3))
    return (shares * losses).sum() / shares.sum().clamp(min=1.0)


def approximate_r1_penalty(discriminator: nn.Module, real: Logits, clean: Picture, noise: Picture) -> Scalar:
    """R1 penalty by finite differences, without second derivatives (arXiv 2501.08316): D's change under noise."""
    return ((discriminator(clean + _NOISE * noise) - real) / _NOISE).square().mean()
