"""The losses on restored pictures: L1 to a target that alpha_a decides on, a perceptual and an adversarial term.

What alpha_a does is decided here and not by chance: fidelity at 1, the teacher and the terms of perception at 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pasd_batch.config.picture_losses import PictureLossSettings
from pasd_batch.config.weights import local_path
from pasd_batch.training.networks.discriminator import PatchDiscriminator
from pasd_batch.training.networks.teacher import RrdbNet, load_teacher, taught
from pasd_batch.training.objectives.adversarial import hinge_loss, squared_slope
from pasd_batch.training.objectives.gradient_balance import balanced_gradient
from pasd_batch.training.objectives.losses import Picture, Scalar
from pasd_batch.training.objectives.perceptual import load_perceptual_distance
from pasd_batch.training.objectives.sample_draws import SampleDraws

_TRUSTED = 1.25, 1.1
"""The teacher's errors, in those of the degraded picture, that end its share in the target and that begin to lower it.

On Kodak photos Real-ESRGAN has 1.0 of Lanczos's error at full strength of its chain, 1.05 at half, 1.24 on x2 bicubic.
"""

_SMALLEST_ERROR = 1e-6

Levels = Float[Tensor, " batch"]
"""alpha_a of each sample."""


@dataclass(frozen=True, eq=False)
class PicturePair:
    """Clean pictures in [-1, 1] and what was made of them, in [0, 1]."""

    clean: Picture
    degraded: Picture
    taught: Picture | None = None
    """The model's own teacher's pictures, in [-1, 1]; none without one."""


class PictureLoss(nn.Module):
    """A module whose call is the loss; its discriminator learns by the same steps as what it judges."""

    def __init__(
        self,
        settings: PictureLossSettings,
        *,
        teacher: RrdbNet | None,
        perceptual: nn.Module | None,
        discriminator: PatchDiscriminator | None,
    ) -> None:
        super().__init__()
        self.teacher = teacher
        self.perceptual = perceptual
        self.discriminator = discriminator
        self._settings = settings

    def forward(self, pictures: Picture, pair: PicturePair, alpha_a: Levels, draws: SampleDraws) -> dict[str, Tensor]:
        """The objective (`loss`), whose gradient is the balanced one, and its parts.

        Args:
            pictures: restored, in [-1, 1], as sampled with the noise level `alpha_a`.
            pair: what they were restored from, and what they should be.
            alpha_a: decides on the target, and on how much the terms count.
            draws: the samples' random numbers.
        """
        target = self._target(pair, alpha_a)
        # A leaf: the terms' gradients end here, and go on to the networks as one.
        seen = pictures.detach().float().requires_grad_()
        error = functional.l1_loss(seen, target)
        perception = self._perception(seen, pair.clean.float() if pair.taught is None else target)
        shares = 1.0 - alpha_a
        terms = [(multiple, term) for multiple, term in perception.values()]
        gradient = balanced_gradient(error, terms, seen, shares)
        loss = self._settings.weight * _with_gradient(error.detach(), pictures.float(), gradient)
        parts = {"picture": error, **{name: term for name, (_, term) in perception.items()}}
        if self.discriminator is not None:
            own = self._verdicts(self.discriminator, seen.detach(), pair.clean, shares, draws)
            loss, parts = loss + own["discriminator"], parts | own
        return {"loss": loss, **{name: part.detach() for name, part in parts.items()}}

    @torch.no_grad()
    def _target(self, pair: PicturePair, alpha_a: Levels) -> Picture:
        if pair.taught is not None:
            return pair.taught.float()
        clean = pair.clean.float()
        if self.teacher is None:
            return clean
        picture = taught(self.teacher, pair.degraded)
        share = (1.0 - alpha_a) * trust(picture, 2.0 * pair.degraded.float() - 1.0, clean)
        return torch.lerp(clean, picture, share.view(-1, 1, 1, 1))

    def _perception(self, seen: Picture, wanted: Picture) -> dict[str, tuple[float, Scalar]]:
        """The terms that 1 - alpha_a weighs, and the sizes of their gradients."""
        terms = {}
        if self.perceptual is not None:
            terms["perceptual"] = (self._settings.perceptual, self.perceptual(seen, wanted).float().mean())
        if self.discriminator is not None and self._settings.adversarial is not None:
            terms["adversarial"] = (self._settings.adversarial.weight, -self.discriminator(seen).mean())
        return terms

    def _verdicts(
        self, discriminator: nn.Module, fakes: Picture, clean: Picture, shares: Levels, draws: SampleDraws
    ) -> dict[str, Scalar]:
        """The discriminator's own loss, and its mean verdicts: that they part shows that it learns."""
        real, fake = discriminator(clean), discriminator(fakes)
        loss = hinge_loss(real, fake, shares)
        if self._settings.adversarial is not None and self._settings.adversarial.penalty:
            noise = draws.normal(clean.shape[1:])
            loss = loss + self._settings.adversarial.penalty * squared_slope(discriminator, real, clean, noise)
        return {"discriminator": loss, "verdict_real": real.mean(), "verdict_restored": fake.mean()}


def trust(taught: Picture, degraded: Picture, clean: Picture) -> Levels:
    """Shares of a teacher's pictures in the target: 1 where they are about as close to the clean ones as the degraded
    ones are, or closer; 0 where the teacher takes away what is there, as it does with mildly degraded photos.
    """
    own, others = ((pictures - clean).abs().mean(dim=(1, 2, 3)) for pictures in (taught, degraded))
    most, least = _TRUSTED
    return ((most * others - own) / ((most - least) * others).clamp(min=_SMALLEST_ERROR)).clamp(min=0.0, max=1.0)


def build_picture_loss(settings: PictureLossSettings, *, seed: int) -> PictureLoss:
    """Build the loss on the CPU; the discriminator's fresh weights come from the seed.

    Raises:
        CheckpointError: the teacher's weights are missing, or are something else.
        TrainingError: the perceptual distance is wished, but not installed.
    """
    perceptual, discriminator = None, None
    if settings.perceptual:
        perceptual = load_perceptual_distance(settings.perceptual_network, setting="losses.picture.perceptual")
    if settings.adversarial is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            discriminator = PatchDiscriminator(settings.adversarial.width)
    teacher = None if settings.teacher is None else load_teacher(local_path(settings.teacher))
    return PictureLoss(settings, teacher=teacher, perceptual=perceptual, discriminator=discriminator)


def _with_gradient(value: Scalar, pictures: Picture, gradient: Picture) -> Scalar:
    """A scalar of this value, whose gradient on the pictures is the given one."""
    carrier = (pictures * gradient).sum()
    return value + carrier - carrier.detach()
