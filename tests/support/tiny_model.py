"""A whole model in the published layout, random and as small as its structure allows, for tests that need real parts.

Import it where it is used: it imports torch.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.paca import PacaForm
from pasd_batch.pasd.unet import PixelAwareUNet
from pasd_batch.pasd.untrained import Architecture, build_networks, save_untrained

ARCHITECTURE = Architecture(
    unet_widths=(32, 32, 64, 64),
    embedding_widths=(4, 4, 8, 8),
    vae_widths=(8, 8, 8, 16),
    text_width=16,
    text_layers=1,
    heads=2,
    norm_groups=4,
)
"""Four UNet levels, a VAE that reduces by 8, and no layer that is zero.

The UNet's widths divide by 32: in narrower layers torch's CPU kernels round a sample differently at a batch's end.
"""

LOUDNESS = 5.5
"""Gain of the degradation removal module: a photo and its mirror image then give visibly different results."""


def tiny_networks(paca: PacaForm = "pasd") -> tuple[PixelAwareUNet, ControlBranch]:
    """UNet and control branch in memory; the same weights every time.

    The degradation removal module is made loud: its fresh layers nearly silence the photo one after the other.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        unet, branch = build_networks(replace(ARCHITECTURE, paca=paca))
        for name, weights in branch.controlnet_cond_embedding.named_parameters():
            weights.mul_(LOUDNESS if name.endswith("weight") else 1.0)
    return unet, branch


def save_tiny_model(folder: Path) -> Path:
    """Write base and PASD parts into `folder`; the same weights every time."""
    save_untrained(folder, ARCHITECTURE, seed=7)
    for network, part in zip(tiny_networks(), ("unet", "controlnet"), strict=True):
        network.save_pretrained(folder / part)
    return folder


def tiny_settings(folder: Path, *, model: dict[str, Any] | None = None, **sampling: Any) -> RestorationSettings:
    """Settings that restore with the model in `folder` on the CPU, in two steps and at small sizes unless told."""
    quick = {"steps": 2, "min_short_side": 64, "scale": 1.0, "guidance_scale": 3.0}
    return RestorationSettings(
        model=ModelSettings(**{"base": folder, "control": folder, "device": "cpu", **(model or {})}),
        sampling=SamplingSettings(**{**quick, **sampling}),
    )


def levels_apart(one: torch.Tensor, other: torch.Tensor) -> int:
    """Largest difference of two pictures in [0, 1], in levels of 256."""
    first, second = ((each * 255).round().int() for each in (one, other))
    return int((first - second).abs().max())
