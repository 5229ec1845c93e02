"""Checkpoint folders: published PASD (`unet/ controlnet/`) and Stable Diffusion 1.5 (`vae/ text_encoder/ ...`).

Every tensor must be where it is expected; nothing is silently missing or left over. Published UNet folders do not
say which form of PACA they hold, so the names of their tensors decide.
"""

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.encoder import DiffusionEncoder
from pasd_batch.pasd.esrgan_vae import EsrganVae
from pasd_batch.pasd.model_config import accepted_options, read_json, read_model_config
from pasd_batch.pasd.paca import PacaForm
from pasd_batch.pasd.state_dict import (
    CheckpointError,
    assign_strictly,
    listing,
    pickle_refused,
    pickle_unreadable,
    read_weights,
)
from pasd_batch.pasd.unet import PixelAwareUNet
from pasd_batch.storage.weight_file_kind import why_no_safetensors

_RETIRED_VAE = "PixelShuffleVae"
"""Name in the configuration of a VAE that only 0.1.0 has."""

Model = TypeVar("Model", AutoencoderKL, CLIPTextModel)

ENCODER_PARTS = ("conv_in.", "time_embedding.", "down_blocks.", "mid_block.")
PACA_PARTS = ("pixel_attentions", "norm2_plus", "attn2_plus", "proj_in_plus")


@dataclass(frozen=True)
class BaseModel:
    """The frozen parts of Stable Diffusion 1.5 that PASD stands on."""

    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler_config: dict[str, Any]


def load_unet(folder: Path, *, allow_pickle: bool = False) -> PixelAwareUNet:
    """Load a published PASD UNet folder, in the precision of its file, on the CPU.

    Raises:
        CheckpointError: configuration or tensors do not fit; the message lists them.
    """
    tensors = read_weights(folder, allow_pickle=allow_pickle)
    options = read_model_config(folder, PixelAwareUNet)
    form = paca_form(tensors)
    if form is None:
        raise CheckpointError(
            f"{folder}: holds no PACA tensors ({', '.join(PACA_PARTS)}); it is a plain Stable Diffusion UNet, "
            "give the PASD folder as the control folder"
        )
    with torch.device("meta"):
        unet = PixelAwareUNet(**{**options, "paca": form})
    assign_strictly(unet, tensors, source=str(folder))
    return unet.eval()


def load_control_branch(folder: Path, *, allow_pickle: bool = False) -> ControlBranch:
    """Load a published PASD controlnet folder, in the precision of its file, on the CPU.

    Raises:
        CheckpointError: configuration or tensors do not fit; the message lists them.
    """
    tensors = read_weights(folder, allow_pickle=allow_pickle)
    with torch.device("meta"):
        branch = ControlBranch(**read_model_config(folder, ControlBranch))
    assign_strictly(branch, tensors, source=str(folder))
    return branch.eval()


def load_base(folder: Path, *, allow_pickle: bool = False) -> BaseModel:
    """Load VAE, text encoder, tokenizer and scheduler configuration of a Stable Diffusion 1.5 folder.

    Raises:
        CheckpointError: a part is missing, or tensors do not fit.
    """
    for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
        if not (folder / part).is_dir():
            raise CheckpointError(f"{folder}: has no folder {part}/; expected a Stable Diffusion 1.5 folder")
    scheduler = folder / "scheduler" / "scheduler_config.json"
    with _explained(folder / "tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    return BaseModel(
        vae=load_vae(folder / "vae", allow_pickle=allow_pickle),
        text_encoder=load_text_encoder(folder / "text_encoder", allow_pickle=allow_pickle),
        tokenizer=tokenizer,
        scheduler_config=read_json(scheduler),
    )


def load_vae(folder: Path, *, allow_pickle: bool = False) -> AutoencoderKL:
    """Load a `vae/` folder, in the precision of its file, on the CPU.

    Raises:
        CheckpointError: it is not there, or tensors do not fit (the message lists them), or only 0.1.0 has its layers.
    """
    name = read_json(folder / "config.json").get("_class_name")
    if name == _RETIRED_VAE:
        raise CheckpointError(
            f"{folder}: a VAE that enlarges by pixel shuffles ({_RETIRED_VAE}), as pasd_batch 0.1.0 trained them; use "
            "that version, which still loads it, or train a model anew (docs/training.md)"
        )
    kind = EsrganVae if name == EsrganVae.__name__ else AutoencoderKL
    return _load_strictly(kind, folder, allow_pickle=allow_pickle)


def load_text_encoder(folder: Path, *, allow_pickle: bool = False) -> CLIPTextModel:
    """Load a `text_encoder/` folder, in the precision of its file, on the CPU.

    Raises:
        CheckpointError: it is not there, or tensors do not fit; the message lists them.
    """
    return _load_strictly(CLIPTextModel, folder, allow_pickle=allow_pickle)


def schedule_of(control: Path, base: BaseModel) -> dict[str, Any]:
    """The scheduler configuration that a PASD folder was trained with: its own if it keeps one, else its base's.

    Colorization's differs from its base's: it predicts velocities and ends in pure noise.

    Raises:
        CheckpointError: its own is there, but no JSON.
    """
    scheduler = control / "scheduler" / "scheduler_config.json"
    return read_json(scheduler) if scheduler.is_file() else base.scheduler_config


def initialise_control_branch(unet: DiffusionEncoder, **options: Any) -> ControlBranch:
    """Start a control branch as a copy of a UNet's encoder and middle block.

    Args:
        unet: where the weights come from.
        options: what the UNet does not say, such as `use_rrdb` or `conditioning_embedding_out_channels`.

    Raises:
        CheckpointError: the options ask for another encoder than the UNet's; the message lists what does not fit.
    """
    accepted = accepted_options(ControlBranch)
    shared = {name: value for name, value in dict(unet.config).items() if name in accepted}
    branch = ControlBranch(**{**shared, **options})
    copied = {name: tensor for name, tensor in unet.state_dict().items() if name.startswith(ENCODER_PARTS)}
    own = {name: tensor for name, tensor in branch.state_dict().items() if not name.startswith(ENCODER_PARTS)}
    assign_strictly(branch, {**{n: t.detach().clone() for n, t in copied.items()}, **own}, source="encoder of the UNet")
    return branch


def initialise_unet(folder: Path, paca: PacaForm, *, allow_pickle: bool = False) -> PixelAwareUNet:
    """Start a PASD UNet from a plain Stable Diffusion UNet folder; its PACA layers are freshly initialised.

    Raises:
        CheckpointError: the folder's tensors are not exactly those of the UNet without PACA.
    """
    tensors = read_weights(folder, allow_pickle=allow_pickle)
    unet = PixelAwareUNet(**{**read_model_config(folder, PixelAwareUNet), "paca": paca})
    fresh = {name: tensor for name, tensor in unet.state_dict().items() if is_paca(name)}
    assign_strictly(unet, {**{n: t.float() for n, t in tensors.items()}, **fresh}, source=str(folder))
    return unet


def is_paca(name: str) -> bool:
    """True if a UNet parameter belongs to pixel-aware cross attention."""
    return any(part in name for part in PACA_PARTS)


def paca_form(tensors: Mapping[str, Tensor]) -> PacaForm | None:
    """Form of PACA that a UNet's tensors have; None for a plain UNet."""
    if any("pixel_attentions" in name for name in tensors):
        return "pasd"
    return "pasd_light" if any("attn2_plus" in name for name in tensors) else None


def _load_strictly(model: type[Model], folder: Path, *, allow_pickle: bool) -> Model:
    use_safetensors = any(folder.glob("*.safetensors"))
    if not (use_safetensors or allow_pickle):
        for path in sorted(folder.glob("*.bin")):
            raise pickle_refused(path)
    with _no_progress_bars(), _explained(folder):
        loaded, info = model.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
            folder,
            output_loading_info=True,
            use_safetensors=use_safetensors or not allow_pickle,
            local_files_only=True,
        )
    problems = {kind: sorted(info[kind]) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(problems.values()):
        details = "\n".join(listing(kind.replace("_", " "), keys) for kind, keys in problems.items() if keys)
        raise CheckpointError(f"{folder}: does not fit {model.__name__}; name a folder of that model\n{details}")
    return loaded.eval()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn whatever a library raises for missing or damaged files into an error that names the folder."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise pickle_unreadable(folder) from error
    except Exception as error:
        for path in sorted(folder.glob("*.safetensors")):
            if kind := why_no_safetensors(path):
                raise CheckpointError(f"{path}: no safetensors, but {kind}") from error
        raise CheckpointError(f"{folder}: cannot be read: {error}") from error


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
