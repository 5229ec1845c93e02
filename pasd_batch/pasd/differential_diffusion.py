"""Latents of the photo itself that are kept in parts of it while the rest is denoised.

Differential diffusion (arXiv 2306.00950): at every step the parts whose turn has not come are replaced by the photo's
latents, noised to that step's level. So a part that changes by half is denoised in the second half of the steps, one
that does not change in none; and what is denoised beside it sees the photo that it has to meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from pasd_batch.pasd.schedulers import Scheduler


@dataclass(frozen=True)
class KeptLatents:
    """A photo's own latents, and how much of them may change where."""

    latent: Float[Tensor, "1 channels height width"]
    noise: Float[Tensor, "1 channels height width"]
    change: Float[Tensor, "1 1 height width"]
    """Share of the steps, the last ones, in which a place is denoised: 0 stays as it is, 1 is free from the start."""

    def over(self, denoised: Tensor, *, left: float, signal: float, noise: float) -> Tensor:
        """Latents with those kept whose turn has not come.

        Args:
            denoised: latents so far (1, channels, height, width).
            left: share of the steps that are still to be taken.
            signal: factor on the photo's latents at this noise level.
            noise: factor on the noise.
        """
        own = signal * self.latent + noise * self.noise
        return torch.where((self.change < left) | (self.change == 0.0), own, denoised)


def alphas_and_sigmas(scheduler: "Scheduler") -> Sequence[tuple[float, float]]:
    """Factors on signal and noise before every step of a scheduler, and behind the last, where there is no noise.

    Raises:
        ValueError: the scheduler does not say how it noises.
    """
    noised = getattr(scheduler, "add_noise", None)
    one, zero, timesteps = torch.ones(1), torch.zeros(1), scheduler.timesteps.cpu().split(1)
    try:
        if noised is None:
            raise NotImplementedError
        levels = [(float(noised(one, zero, each)), float(noised(zero, one, each))) for each in timesteps]
    except NotImplementedError as error:
        raise ValueError(
            f"{type(scheduler).__name__} does not say how it noises a photo, which masks need; set "
            "sampling.scheduler to UniPCMultistepScheduler or DDIMScheduler"
        ) from error
    return [*levels, (1.0, 0.0)]
