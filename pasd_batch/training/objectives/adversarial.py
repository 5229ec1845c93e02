"""Losses of the discriminator that judges restored pictures: the hinge loss and a penalty on its slope."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pasd_batch.training.networks.discriminator import Verdicts
from pasd_batch.training.objectives.losses import Picture, Scalar

_NOISE = 0.05
"""Standard deviation of the noise that slopes are measured with, of pictures in [-1, 1]."""


def hinge_loss(real: Verdicts, fake: Verdicts, shares: Float[Tensor, " batch"]) -> Scalar:
    """The discriminator's loss max(0, 1 - D(real)) + max(0, 1 + D(fake)), pictures weighted by their shares."""
    losses = (functional.relu(1.0 - real) + functional.relu(1.0 + fake)).mean(dim=(1, 2, 3))
    return (shares * losses).sum() / shares.sum().clamp(min=1.0)


def squared_slope(discriminator: nn.Module, real: Verdicts, clean: Picture, noise: Picture) -> Scalar:
    """Change of verdicts on clean pictures with noise: R1 without second derivatives (arXiv 2501.08316)."""
    return ((discriminator(clean + _NOISE * noise) - real) / _NOISE).square().mean()
