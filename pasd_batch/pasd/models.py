"""The networks of a restorer, loaded from their folders and put where they run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from pasd_batch.config.embedded_model import EMBEDDED_MODEL
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.channels_last import keep_norms_channels_last, run_channels_last
from pasd_batch.pasd.checkpoint import BaseModel, load_base, load_control_branch, load_unet, schedule_of
from pasd_batch.pasd.compilation import compile_blocks
from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.cuda_graphs import NetworkGraphs, cuda_graphs
from pasd_batch.pasd.device import choose_device, choose_dtype
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.personalization import personalize
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.pasd.unet import PixelAwareUNet


@dataclass(frozen=True)
class Models:
    """Everything with weights that a restorer needs."""

    unet: PixelAwareUNet
    control_branch: ControlBranch
    vae: AutoencoderKL
    prompt_encoder: PromptEncoder
    scheduler_config: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    """Precision of UNet and control branch; the text encoder runs in float32."""

    vae_tf32: bool = False
    """True if the VAE's float32 products may use TF32 on CUDA."""

    graphs: NetworkGraphs | None = None
    """CUDA graphs of UNet and control branch; None: eager execution."""

    @property
    def pixel_multiple(self) -> int:
        """Photo sides must be multiples of this for every level of the UNet to fit evenly."""
        levels = len(self.unet.config["block_out_channels"])
        return LATENT_FACTOR * 2 ** (levels - 1)

    @property
    def vae_dtype(self) -> torch.dtype:
        """Precision of the VAE."""
        return self.vae.dtype

    @property
    def is_float32(self) -> bool:
        """True if all networks already run in float32."""
        return self.dtype == self.vae_dtype == torch.float32

    @contextmanager
    def in_float32(self) -> Iterator["Models"]:
        """The same networks in float32, for as long as the context lasts."""
        if self.graphs is not None:
            self.graphs.release()
        vae_dtype = self.vae_dtype
        networks = (self.unet, self.control_branch)
        try:
            # Within the try, because it may run out of memory half-way.
            for network in (*networks, self.vae):
                _place(network, self.device, torch.float32)
            yield replace(self, dtype=torch.float32, vae_tf32=False, graphs=None)
        finally:
            for network in networks:
                _place(network, self.device, self.dtype)
            _place_vae(self.vae, self.device, vae_dtype)


def load_models(settings: ModelSettings) -> Models:
    """Load the networks that the settings name and put them on their device.

    Raises:
        CheckpointError: a folder is missing, or does not hold what it should.
    """
    base_folder, control_folder = _folders(settings)
    base = load_base(base_folder, allow_pickle=settings.allow_pickle)
    unet = load_unet(control_folder / "unet", allow_pickle=settings.allow_pickle)
    branch = load_control_branch(control_folder / "controlnet", allow_pickle=settings.allow_pickle)
    base = personalize(unet, base, settings)
    _check_vae(base.vae, base_folder)
    _check_fit(base, unet, branch)
    return place_models(unet, branch, replace(base, scheduler_config=schedule_of(control_folder, base)), settings)


def place_models(unet: PixelAwareUNet, branch: ControlBranch, base: BaseModel, settings: ModelSettings) -> Models:
    """Move networks to the settings' device, precision and memory layout, and compile them if asked for."""
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    for network in (unet, branch, base.vae, base.text_encoder):
        network.requires_grad_(False)
    # On the CPU channels-last is slower for layers of few channels (12x for the degradation removal module).
    if device.type == "cuda":
        _lay_out_channels_last(unet, branch, base.vae, fused_layers=settings.fused_layers)
    _place(base.text_encoder, device, torch.float32)
    _place(unet, device, dtype)
    _place(branch, device, dtype)
    _place_vae(base.vae, device, getattr(torch, settings.vae_dtype))
    if settings.compile:
        compile_blocks(unet)
        compile_blocks(branch)
    prompt_encoder = PromptEncoder(base.tokenizer, base.text_encoder)
    graphs = cuda_graphs(device) if settings.cuda_graphs else None
    return Models(
        unet,
        branch,
        base.vae,
        prompt_encoder,
        base.scheduler_config,
        device,
        dtype,
        vae_tf32=settings.vae_tf32,
        graphs=graphs,
    )


def _lay_out_channels_last(
    unet: PixelAwareUNet, branch: ControlBranch, vae: AutoencoderKL, *, fused_layers: bool
) -> None:
    for network in (unet, branch, vae):
        nn.Module.to(network, memory_format=torch.channels_last)
    if fused_layers:
        run_channels_last(unet)
        run_channels_last(branch)
        keep_norms_channels_last(vae)


def _place(network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    # Not through diffusers' own `to`, which warns about float32 parts that these networks do not have.
    nn.Module.to(network, device, dtype)


def _place_vae(vae: AutoencoderKL, device: torch.device, dtype: torch.dtype) -> None:
    last = vae.decoder.conv_out
    exact = {name: value.clone() for name, value in last.state_dict().items()}
    _place(vae, device, dtype)
    # Its outputs are pixels: in bfloat16 a smooth sky would have only 256 shades in a 16-bit file.
    _place(last, device, torch.float32)
    last.load_state_dict(exact)


def _folders(settings: ModelSettings) -> tuple[Path, Path]:
    if settings.base is not None and settings.control is not None:
        base, control = local_path(settings.base), local_path(settings.control)
        for name, folder in (("base", base), ("control", control)):
            if not folder.is_dir():
                what = "a file, not a folder" if folder.exists() else "no such folder"
                raise CheckpointError(
                    f"model.{name}: {folder}: {what}; check the path, or name it as hf://OWNER/NAME or another address"
                )
        return base, control
    if not EMBEDDED_MODEL.is_dir():
        raise CheckpointError(
            "this version of pasd_batch has no embedded model; name a Stable Diffusion 1.5 folder (base) and a PASD "
            "folder (control)"
        )
    return EMBEDDED_MODEL, EMBEDDED_MODEL


def _check_vae(vae: AutoencoderKL, folder: Path) -> None:
    factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
    if factor != LATENT_FACTOR:
        raise CheckpointError(f"{folder}: its VAE reduces by {factor}, PASD needs {LATENT_FACTOR}")
    blocks = {*vae.config["down_block_types"], *vae.config["up_block_types"]}
    if unknown := blocks - {"DownEncoderBlock2D", "UpDecoderBlock2D"}:
        raise CheckpointError(f"{folder}: its VAE has {', '.join(sorted(unknown))}, not Stable Diffusion 1.5's blocks")


def _check_fit(base: BaseModel, unet: PixelAwareUNet, branch: ControlBranch) -> None:
    """Compare the widths where the parts meet."""
    pairs = {
        "latent channels of VAE and UNet": (base.vae.config["latent_channels"], unet.config["in_channels"]),
        "text width of text encoder and UNet": (
            base.text_encoder.config.hidden_size,
            unet.config["cross_attention_dim"],
        ),
        "text width of UNet and control branch": (
            unet.config["cross_attention_dim"],
            branch.config["cross_attention_dim"],
        ),
        "level widths of UNet and control branch": (
            list(unet.config["block_out_channels"]),
            list(branch.config["block_out_channels"]),
        ),
    }
    if unlike := [f"{what}: {one} and {other}" for what, (one, other) in pairs.items() if one != other]:
        raise CheckpointError(f"these model folders do not belong together: {'; '.join(unlike)}")
