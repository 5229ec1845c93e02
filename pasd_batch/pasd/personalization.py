"""Personalised base models (arXiv 2308.14469): other weights of Stable Diffusion 1.5 under trained PACA.

A personalised model takes the base's place in the denoiser, in whole or in part; PACA and the control branch keep what
they learned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextModel

from pasd_batch.config.model import ModelSettings
from pasd_batch.config.personalization import PersonalizedSettings
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.checkpoint import BaseModel, is_paca, load_text_encoder, load_vae, paca_form
from pasd_batch.pasd.encoder import heads_per_level
from pasd_batch.pasd.families import INPUT_CHANNELS, REMEDY, TEXT_WIDTHS
from pasd_batch.pasd.lora import merge_lora
from pasd_batch.pasd.model_config import read_json, read_model_config
from pasd_batch.pasd.single_file import split_single_file
from pasd_batch.pasd.state_dict import CheckpointError, assign_strictly, differences, read_weight_file, read_weights
from pasd_batch.pasd.unet import PixelAwareUNet

_USAGE_OPTIONS = {"paca", "sample_size", "upcast_attention"}
"""Options that do not affect the meaning of the weights."""


@dataclass(frozen=True)
class PersonalizedModel:
    """A personalised model's parts; None for those that it lacks."""

    unet: dict[str, Tensor]
    """All of Stable Diffusion 1.5's tensors, and no other."""

    vae: AutoencoderKL | None
    text_encoder: CLIPTextModel | None


def personalize(unet: PixelAwareUNet, base: BaseModel, settings: ModelSettings) -> BaseModel:
    """Give UNet (in place) and base the personalised weights and LoRAs that the settings name.

    Raises:
        CheckpointError: a file or folder cannot be read, or is not Stable Diffusion 1.5's.
    """
    if settings.personalized is not None:
        model = read_personalized(settings.personalized, unet, base, allow_pickle=settings.allow_pickle)
        blend(unet, model.unet, strength=settings.personalized.strength)
        base = replace(
            base,
            vae=base.vae if model.vae is None else model.vae,
            text_encoder=base.text_encoder if model.text_encoder is None else model.text_encoder,
        )
    for lora in settings.loras:
        merge_lora(unet, base.text_encoder, lora, allow_pickle=settings.allow_pickle)
    return base


def blend(unet: PixelAwareUNet, personalized: Mapping[str, Tensor], *, strength: float) -> None:
    """Set every tensor of the UNet but PACA's to strength x personalised + (1 - strength) x its own.

    In float32, unless the personalised ones take the place of its own whole.
    """
    own = unet.state_dict()
    blended = {
        name: tensor if strength == 1.0 else torch.lerp(own[name].float(), tensor.float(), strength)
        for name, tensor in personalized.items()
    }
    assign_strictly(unet, {**_paca_tensors(unet), **blended}, source="personalised weights")


def read_personalized(
    settings: PersonalizedSettings, unet: PixelAwareUNet, base: BaseModel, *, allow_pickle: bool
) -> PersonalizedModel:
    """Read a personalised model for these networks, from a folder or a single file.

    Raises:
        CheckpointError: it cannot be read, or does not fit; the message says what it is, or lists the tensors.
    """
    path = local_path(settings.weights)
    if path.is_dir():
        model = _read_folder(path, unet, base, allow_pickle=allow_pickle)
    elif path.is_file():
        model = _read_file(path, unet, base, allow_pickle=allow_pickle)
    else:
        raise CheckpointError(f"personalized weights {path}: no such file or folder; check the path")
    if problems := differences(unet, {**_paca_tensors(unet), **model.unet}):
        raise CheckpointError(
            f"{path}: does not fit the UNet of Stable Diffusion 1.5; {REMEDY}\n" + "\n".join(problems)
        )
    return model


def _paca_tensors(unet: PixelAwareUNet) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in unet.state_dict().items() if is_paca(name)}


def _read_file(path: Path, unet: PixelAwareUNet, base: BaseModel, *, allow_pickle: bool) -> PersonalizedModel:
    tensors = read_weight_file(path, allow_pickle=allow_pickle)
    parts = split_single_file(tensors, dict(unet.config), dict(base.vae.config), source=str(path))
    if parts.vae is not None:
        assign_strictly(base.vae, parts.vae, source=str(path))
    if parts.text_encoder is not None:
        # Modules are named without `text_model.` since transformers 5, and with it before.
        full = {name.removeprefix("text_model."): name for name in base.text_encoder.state_dict()}
        tensors = {full.get(name, name): tensor for name, tensor in parts.text_encoder.items()}
        assign_strictly(base.text_encoder, tensors, source=str(path))
    return PersonalizedModel(parts.unet, base.vae, base.text_encoder)


def _read_folder(folder: Path, unet: PixelAwareUNet, base: BaseModel, *, allow_pickle: bool) -> PersonalizedModel:
    unet_folder = folder / "unet" if (folder / "unet").is_dir() else folder
    if not (unet_folder / "config.json").is_file():
        raise CheckpointError(f"{folder}: {_why_no_unet(folder)}")
    _check_family(unet_folder / "config.json")
    tensors = read_weights(unet_folder, allow_pickle=allow_pickle)
    if paca_form(tensors) is not None:
        raise CheckpointError(f"{unet_folder}: holds PACA tensors, so it is a PASD's; name its folder as model.control")
    _check_options(unet_folder, unet)
    _check_prediction(folder, base)
    vae, text_encoder = folder / "vae", folder / "text_encoder"
    return PersonalizedModel(
        unet=tensors,
        vae=load_vae(vae, allow_pickle=allow_pickle) if vae.is_dir() else None,
        text_encoder=load_text_encoder(text_encoder, allow_pickle=allow_pickle) if text_encoder.is_dir() else None,
    )


def _why_no_unet(folder: Path) -> str:
    if (folder / "transformer").is_dir():
        return f"has a transformer/ instead of a UNet, as Stable Diffusion 3 and Flux do; {REMEDY}"
    if any(folder.glob("*lora*.safetensors")) or (folder / "adapter_config.json").is_file():
        return "holds a LoRA, not a whole model; name it under model.loras"
    if files := sorted(path.name for path in folder.glob("*.safetensors")):
        return f"is no diffusers folder (unet/ with config.json); name one file in it, such as {files[0]}"
    return "has neither unet/ nor is it one (config.json and weights); give a diffusers folder or a single file"


def _check_family(config_file: Path) -> None:
    config = read_json(config_file)
    family = "Stable Diffusion XL" if config.get("addition_embed_type") == "text_time" else None
    family = family or TEXT_WIDTHS.get(config.get("cross_attention_dim", 0))
    family = family or INPUT_CHANNELS.get(config.get("in_channels", 0))
    if family is not None:
        raise CheckpointError(f"{config_file}: is {family}, whose weights do not fit Stable Diffusion 1.5; {REMEDY}")


def _check_options(folder: Path, unet: PixelAwareUNet) -> None:
    """Compare options that tensor shapes do not show, such as the number of attention heads."""
    own = dict(unet.config)
    different = [
        f"{name} = {value!r} instead of {own[name]!r}"
        for name, value in read_model_config(folder, PixelAwareUNet).items()
        if name not in _USAGE_OPTIONS and _plain(name, value, own) != _plain(name, own[name], own)
    ]
    if different:
        raise CheckpointError(
            f"{folder / 'config.json'}: differs from the PASD's UNet: {', '.join(different)}; {REMEDY}"
        )


def _plain(name: str, value: Any, config: Mapping[str, Any]) -> Any:
    if name == "attention_head_dim":
        return heads_per_level(value, len(config["block_out_channels"]))
    return list(value) if isinstance(value, list | tuple) else value


def _check_prediction(folder: Path, base: BaseModel) -> None:
    scheduler = folder / "scheduler" / "scheduler_config.json"
    own = base.scheduler_config.get("prediction_type", "epsilon")
    predicted = read_json(scheduler).get("prediction_type", "epsilon") if scheduler.is_file() else own
    if predicted != own:
        raise CheckpointError(f"{scheduler}: it predicts {predicted}, the base {own}; {REMEDY} that predicts the same")
