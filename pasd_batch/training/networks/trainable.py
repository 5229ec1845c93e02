"""Choice of the trainable parameters, by the parts of the paper and the VAE's decoder."""

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


def trainable_part(name: str) -> TrainablePart | None:
    """The part that a parameter belongs to, by its name in the objective; None if it is never trained."""
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
    objective: nn.Module, parts: Collection[TrainablePart], *, has_paca: bool, uses_rgbs: bool, uses_denoiser: bool
) -> None:
    """Set `requires_grad` for exactly these parts, and for the discriminator, if there is one.

    Args:
        objective: holds the networks.
        parts: parts to train.
        has_paca: off, PACA is left frozen (the ablation without it).
        uses_rgbs: off, the to-RGB heads are left frozen, since no loss depends on them.
        uses_denoiser: off, all but the degradation removal module is left frozen, since no loss depends on it.

    Raises:
        TrainingError: no parameter is trainable.
    """
    learns_nothing = True
    for name, parameter in objective.named_parameters():
        part = trainable_part(name)
        useless = (
            (part is TrainablePart.PACA and not has_paca)
            or (name.startswith(_RGB_HEADS) and not uses_rgbs)
            or not (uses_denoiser or part is TrainablePart.DEGRADATION_REMOVAL)
            or (name.startswith(_FEATURES_OUT) and not uses_denoiser)
        )
        learns = part in parts and not useless
        parameter.requires_grad_(learns or name.startswith(_DISCRIMINATOR))
        learns_nothing = learns_nothing and not learns
    if learns_nothing:
        raise TrainingError(f"none of {[part.value for part in parts]} has anything to train here")


def computed_parameters(objective: nn.Module) -> set[str]:
    """Names of parameters that were initialised when the training began (`objective.computed`), trainable or not.

    Checkpoints hold them: a resumed training may not be able to compute the same values again.
    """
    return {name for name, _ in objective.named_parameters() if cast(Any, objective).computed(name)}


def trained_parameters(objective: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters with `requires_grad`, in a fixed order."""
    return ((name, parameter) for name, parameter in objective.named_parameters() if parameter.requires_grad)
