"""Adjustable noise schedule (ANS): the start of sampling, between the photo's latents and pure noise.

Section 3.4 of arXiv 2308.14469. Training never reaches pure noise (alpha_bar_N > 0), so sampling starts from the
low-resolution latent noised twice,

    z_N = sqrt(abar_a * abar_N) z_LR + sqrt(1 - abar_a * abar_N) z'',

where alpha_a (abar_a) near 1 leaves much of the photo (fidelity) and near 0 little (perception).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.sampling import SamplingSettings

DEFAULT_ADDED_NOISE_LEVEL = 900
"""The released code's default: alpha_a = alphas_cumprod[900]."""


@dataclass(frozen=True)
class AdjustableNoiseSchedule:
    """Noise of training (`alphas_cumprod`, one per timestep) and the share alpha_a that sampling adds to it."""

    alphas_cumprod: Float[Tensor, " timesteps"]
    alpha_a: float

    @classmethod
    def from_settings(
        cls, settings: SamplingSettings, alphas_cumprod: Float[Tensor, " timesteps"]
    ) -> "AdjustableNoiseSchedule":
        """Take `alpha_a` as given, or look `added_noise_level` up in `alphas_cumprod` itself.

        Raises:
            ValueError: `added_noise_level` is not a timestep of the schedule.
        """
        if settings.alpha_a is not None:
            return cls(alphas_cumprod, settings.alpha_a)
        level = DEFAULT_ADDED_NOISE_LEVEL if settings.added_noise_level is None else settings.added_noise_level
        if level >= len(alphas_cumprod):
            raise ValueError(
                f"added_noise_level {level} is beyond the schedule's last timestep {len(alphas_cumprod) - 1}"
            )
        return cls(alphas_cumprod, float(alphas_cumprod[level]))

    def start(
        self,
        latent: Float[Tensor, "1 channels height width"],
        first_noise: Float[Tensor, "1 channels height width"],
        second_noise: Float[Tensor, "1 channels height width"],
        *,
        timestep: int,
        alpha_a: Float[Tensor, "1 1 height width"] | None = None,
    ) -> Float[Tensor, "1 channels height width"]:
        """Noise the photo's latents to `timestep` (the first of the sampling schedule), then by alpha_a.

        `alpha_a` is a map; None: the schedule's value everywhere.
        """
        noised = self.add_noise(latent.clone(), first_noise.clone(), timestep=timestep)
        return self.add_ans_noise(noised, second_noise.clone(), alpha_a=alpha_a)

    def add_noise(
        self,
        latent: Float[Tensor, "1 channels height width"],
        noise: Float[Tensor, "1 channels height width"],
        *,
        timestep: int,
    ) -> Float[Tensor, "1 channels height width"]:
        """Noise the photo's latents to `timestep`, in place; `noise` is overwritten."""
        return _mix(latent, noise, float(self.alphas_cumprod[timestep]))

    def add_ans_noise(
        self,
        noised: Float[Tensor, "1 channels height width"],
        noise: Float[Tensor, "1 channels height width"],
        *,
        alpha_a: Float[Tensor, "1 1 height width"] | None = None,
    ) -> Float[Tensor, "1 channels height width"]:
        """Noise by alpha_a, in place; `noise` is overwritten."""
        return _mix(noised, noise, self.alpha_a if alpha_a is None else alpha_a)


def noise_level(alphas_cumprod: Float[Tensor, " timesteps"], timestep: float) -> float:
    """Noise over signal at a timestep: sigma = sqrt((1 - abar_t) / abar_t), 0.03 to 14.6 with Stable Diffusion."""
    alpha = float(alphas_cumprod[round(timestep)])
    return ((1.0 - alpha) / alpha) ** 0.5


def _mix(signal: Tensor, noise: Tensor, alpha: float | Tensor) -> Tensor:
    return signal.mul_(alpha**0.5).add_(noise.mul_((1 - alpha) ** 0.5))


def pure_noise_start(
    noise: Float[Tensor, "1 channels height width"],
    offset: Float[Tensor, "1 channels 1 1"],
    *,
    offset_noise_scale: float,
) -> Float[Tensor, "1 channels height width"]:
    """Start from noise alone, with a constant offset per channel of strength `offset_noise_scale`."""
    return noise + offset_noise_scale * offset
