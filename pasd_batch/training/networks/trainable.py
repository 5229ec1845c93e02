"""Parameters that learn: the paper's parts by name, and the VAE's decoder."""

from collections.abc import Collection, Iterator
from typing import Any, cast

from torch import nn

from pasd_batch.config.training_model import TrainablePart
from pasd_batch.pasd.checkpoint import is_paca
from pasd_batch.training.errors import TrainingError

_REMOVAL = "control_branch.controlnet_cond_embedding."
_RGB_HEADS = f"{_REMOVAL}to_rgbs."
_FEATURES_OUT = f"{_REMOVAL}conv_out."
_DECODER = ("vae.decoder.", "vae.post_quant_conv.")
_DISCRIMINATOR = "picture.discriminator."


def part_of(name: str) -> TrainablePart | None:
    """The part that a parameter belongs to, by its name in the objective; None for what is never trained."""
    if name.startswith(_REMOVAL):
        return TrainablePart.DEGRADATION_REMOVAL
    if name.startswith("control_branch."):
        return TrainablePart.CONTROL_BRANCH
    if name.startswith("unet."):
        return TrainablePart.PACA if is_paca(name) else TrainablePart.UNET
    if name.startswith(_DECODER):
        return TrainablePart.DECODER
    return TrainablePart.TEXT_ENCODER if name.startswith("text_encoder.") else None


def choose_trainable(
    objective: nn.Module, parts: Collection[TrainablePart], *, paca_works: bool, rgbs_matter: bool, denoises: bool
) -> None:
    """Let exactly these parts learn, and with them the discriminator that judges them, if there is one.

    Args:
        objective: holds the networks.
        parts: what is asked for.
        paca_works: off, PACA is left frozen, as its layers do nothing.
        rgbs_matter: off, the to-RGB heads are left frozen, as no loss looks at them.
        denoises: off, all is left frozen but what leads to the to-RGB outputs, as no loss looks at the denoiser.

    Raises:
        TrainingError: nothing is left to learn.
    """
    learns_nothing = True
    for name, parameter in objective.named_parameters():
        part = part_of(name)
        useless = (
            (part is TrainablePart.PACA and not paca_works)
            or (name.startswith(_RGB_HEADS) and not rgbs_matter)
            or not (denoises or part is TrainablePart.DEGRADATION_REMOVAL)
            or (name.startswith(_FEATURES_OUT) and not denoises)
        )
        learns = part in parts and not useless
        parameter.requires_grad_(learns or name.startswith(_DISCRIMINATOR))
        learns_nothing = learns_nothing and not learns
    if learns_nothing:
        raise TrainingError(f"none of {[part.value for part in parts]} has anything to train here")


def computed_parameters(objective: nn.Module) -> set[str]:
    """Names of what was made when the training began, as `objective.computed` tells, whether or not it learns.

    A resumed training must find it as it was: what it was made from may have changed, and another kind of processor
    draws and computes a little differently.
    """
    return {name for name, _ in objective.named_parameters() if cast(Any, objective).computed(name)}


def trained_parameters(objective: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters of what learns, in a fixed order."""
    return ((name, parameter) for name, parameter in objective.named_parameters() if parameter.requires_grad)
