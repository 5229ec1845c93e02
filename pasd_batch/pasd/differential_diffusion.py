"""Differential diffusion (arXiv 2306.00950): denoising with a change map, for masks.

Before every step, latents whose change value is below the share of remaining steps are replaced by the photo's own
latents, noised to the step's level. So a pixel with change 0.5 is denoised in the second half of the steps, one with
change 0 in none, and denoised pixels always see the kept photo beside them.
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
    """A photo's own latents and its change map."""

    latent: Float[Tensor, "1 channels height width"]
    noise: Float[Tensor, "1 channels height width"]
    change_map: Float[Tensor, "1 1 height width"]
    """Share of the steps, the last ones, in which a latent pixel is denoised: 0 in none, 1 in all."""

    def composite(self, denoised: Tensor, *, remaining: float, signal: float, noise: float) -> Tensor:
        """Replace latents whose change value is below `remaining` by the photo's noised latents.

        Args:
            denoised: present latents (1, channels, height, width).
            remaining: share of the steps that are still to be taken.
            signal: factor on the photo's latents at this noise level, sqrt(abar_t).
            noise: factor on the noise, sqrt(1 - abar_t).
        """
        own = signal * self.latent + noise * self.noise
        return torch.where((self.change_map < remaining) | (self.change_map == 0.0), own, denoised)


def alphas_and_sigmas(scheduler: "Scheduler") -> Sequence[tuple[float, float]]:
    """Factors on signal and noise before every step of a scheduler, and (1, 0) after the last.

    Raises:
        ValueError: the scheduler has no `add_noise`.
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
