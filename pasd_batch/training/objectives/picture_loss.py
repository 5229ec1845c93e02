"""Losses on restored pictures: L1 and a perceptual distance to a target that depends on alpha_a, an adversarial term.

They define the trade-off of alpha_a: at 1 fidelity alone, at 0 the teacher and the perceptual terms.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pasd_batch.config.picture_losses import PictureLossSettings
from pasd_batch.config.weights import local_path
from pasd_batch.training.networks.discriminator import PatchDiscriminator
from pasd_batch.training.networks.teacher import RrdbNet, load_teacher, run_teacher
from pasd_batch.training.objectives.adversarial import approximate_r1_penalty, hinge_loss
from pasd_batch.training.objectives.gradient_balance import balanced_gradient
from pasd_batch.training.objectives.grid_penalty import GridPenalty
from pasd_batch.training.objectives.losses import Picture, Scalar
from pasd_batch.training.objectives.perceptual import load_perceptual_distance
from pasd_batch.training.objectives.sample_draws import SampleDraws

_TRUSTED = 1.25, 1.1
"""Ratios of the teacher's L1 error to the degraded picture's: at the first its weight is 0, at the second 1.

On Kodak photos Real-ESRGAN has 1.0 of Lanczos's error at full strength of its chain, 1.05 at half, 1.24 on x2 bicubic.
"""

_SMALLEST_ERROR = 1e-6

PerSample = Float[Tensor, " batch"]
"""One number per sample, such as alpha_a."""


@dataclass(frozen=True, eq=False)
class PicturePair:
    """Clean pictures in [-1, 1] and their degraded versions in [0, 1]."""

    clean: Picture
    degraded: Picture
    teacher_pictures: Picture | None = None
    """Pictures of the distillation's teacher, in [-1, 1]; None without one."""


class PictureLoss(nn.Module):
    """The loss as a module; its discriminator is trained in the same optimizer steps as the generator."""

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
        self.grid = GridPenalty() if settings.grid else None
        self._settings = settings

    def forward(
        self, pictures: Picture, pair: PicturePair, alpha_a: PerSample, draws: SampleDraws
    ) -> dict[str, Tensor]:
        """The loss (`loss`), with the balanced gradient, and its terms.

        Args:
            pictures: restored, in [-1, 1], as sampled with the noise level `alpha_a`.
            pair: clean and degraded pictures.
            alpha_a: decides on the target, and weights the perceptual terms by 1 - alpha_a.
            draws: the samples' random numbers.
        """
        target = self._target(pair, alpha_a)
        # A leaf, at which the terms' gradients are balanced before one of them goes on to the networks.
        seen = pictures.detach().float().requires_grad_()
        error = functional.l1_loss(seen, target)
        perception = self._perception(seen, target, pair.clean)
        shares = 1.0 - alpha_a
        terms = [(multiple, term) for multiple, term in perception.values()]
        gradient = balanced_gradient(error, terms, seen, shares)
        loss = self._settings.weight * _with_gradient(error.detach(), pictures.float(), gradient)
        parts = {"picture": error, **{name: term for name, (_, term) in perception.items()}}
        if self.discriminator is not None:
            own = self._discriminator_loss(self.discriminator, seen.detach(), pair.clean, shares, draws)
            loss, parts = loss + own["discriminator"], parts | own
        return {"loss": loss, **{name: part.detach() for name, part in parts.items()}}

    @torch.no_grad()
    def _target(self, pair: PicturePair, alpha_a: PerSample) -> Picture:
        if pair.teacher_pictures is not None:
            return pair.teacher_pictures.float()
        clean = pair.clean.float()
        if self.teacher is None:
            return clean
        picture = run_teacher(self.teacher, pair.degraded)
        share = (1.0 - alpha_a) * teacher_weight(picture, 2.0 * pair.degraded.float() - 1.0, clean)
        return torch.lerp(clean, picture, share.view(-1, 1, 1, 1))

    def _perception(self, seen: Picture, wanted: Picture, clean: Picture) -> dict[str, tuple[float, Scalar]]:
        """Perceptual and adversarial term and the grid's, each with its gradient norm as a multiple of L1's."""
        terms = {}
        if self.perceptual is not None:
            terms["perceptual"] = (self._settings.perceptual, self.perceptual(seen, wanted).float().mean())
        if self.discriminator is not None and self._settings.adversarial is not None:
            terms["adversarial"] = (self._settings.adversarial.weight, -self.discriminator(seen).mean())
        if self.grid is not None:
            terms["grid"] = (self._settings.grid, self.grid(seen, clean))
        return terms

    def _discriminator_loss(
        self, discriminator: nn.Module, fakes: Picture, clean: Picture, shares: PerSample, draws: SampleDraws
    ) -> dict[str, Scalar]:
        """The discriminator's loss, and its mean logits of clean and restored pictures."""
        real, fake = discriminator(clean), discriminator(fakes)
        loss = hinge_loss(real, fake, shares)
        if self._settings.adversarial is not None and self._settings.adversarial.penalty:
            noise = draws.normal(clean.shape[1:])
            loss = loss + self._settings.adversarial.penalty * approximate_r1_penalty(discriminator, real, clean, noise)
        return {"discriminator": loss, "verdict_real": real.mean(), "verdict_restored": fake.mean()}


def teacher_weight(teacher_pictures: Picture, degraded: Picture, clean: Picture) -> PerSample:
    """Weights of the teacher's pictures in the target, by their L1 error relative to the degraded pictures'.

    1 up to a ratio of 1.1, 0 from 1.25 on: of mildly degraded photos the teacher removes detail.
    """
    own, others = ((pictures - clean).abs().mean(dim=(1, 2, 3)) for pictures in (teacher_pictures, degraded))
    most, least = _TRUSTED
    return ((most * others - own) / ((most - least) * others).clamp(min=_SMALLEST_ERROR)).clamp(min=0.0, max=1.0)


def build_picture_loss(settings: PictureLossSettings, *, seed: int) -> PictureLoss:
    """Build the loss on the CPU; the discriminator's fresh weights come from the seed.

    Raises:
        CheckpointError: the teacher's weights are missing, or are something else.
        TrainingError: the perceptual distance is asked for, but not installed.
    """
    perceptual, discriminator = None, None
    if settings.perceptual:
        perceptual = load_perceptual_distance(settings.perceptual_network, setting="losses.picture.perceptual")
    if settings.adversarial is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            discriminator = PatchDiscriminator(settings.adversarial.width)
    teacher = (
        None
        if settings.teacher is None
        else load_teacher(local_path(settings.teacher), setting="losses.picture.teacher")
    )
    return PictureLoss(settings, teacher=teacher, perceptual=perceptual, discriminator=discriminator)


def _with_gradient(value: Scalar, pictures: Picture, gradient: Picture) -> Scalar:
    """A scalar of this value with the given gradient with respect to the pictures."""
    carrier = (pictures * gradient).sum()
    return value + carrier - carrier.detach()
