"""Settings of weights that personalise a base model: whole models of communities, and LoRAs."""

from typing import Annotated

from pydantic import Field

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import Weights
from pasd_batch.config.weights import WeightsPath

_PERSONALIZED_PARTS = ("unet", "vae", "text_encoder", "scheduler")


class PersonalizedSettings(Settings):
    """A personalised Stable Diffusion 1.5, whose UNet goes over the base's; the trained PACA layers stay."""

    weights: Annotated[WeightsPath, Weights(_PERSONALIZED_PARTS)]
    """A diffusers folder (`unet/`, and `vae/ text_encoder/` if it has them), a folder that is such a `unet/`, or one
    `.safetensors` file in the original latent-diffusion names (`.ckpt` only with `allow_pickle`). For a base folder
    whose own `unet/` is personalised, that folder again."""

    strength: float = Field(default=1.0, ge=0.0, le=1.0)
    """UNet = strength x personalised + (1 - strength) x the base's; its VAE and text encoder are replaced whatever
    the strength."""


class LoraSettings(Settings):
    """A LoRA for Stable Diffusion 1.5, merged into the weights."""

    path: Annotated[WeightsPath, Weights()]
    """A `.safetensors` file in kohya's, diffusers' or peft's names, or a folder as diffusers or peft save one."""

    weight: float = 1.0
    """Factor on what the LoRA adds, beside its own alpha / rank; below 0 it takes away."""

    text_encoder: float | None = None
    """Factor on its part for the text encoder; none: `weight`; 0: that part is left out."""
