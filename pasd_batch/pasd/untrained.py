"""Untrained models in the published layout: to train from, to measure with, to try the machinery without weights.

Their weights are random, so what they restore is noise.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.paca import PacaForm
from pasd_batch.pasd.unet import PixelAwareUNet

SCHEDULER_CONFIG: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "clip_sample": False,
}
"""Stable Diffusion 1.5's noise schedule."""

_END = "<|endoftext|>"
_START = "<|startoftext|>"


@dataclass(frozen=True)
class Architecture:
    """Sizes of all networks; the structure is Stable Diffusion 1.5's."""

    unet_widths: tuple[int, ...]
    embedding_widths: tuple[int, ...]
    """Widths of the degradation removal module."""

    vae_widths: tuple[int, ...]
    text_width: int
    text_layers: int
    heads: int
    norm_groups: int
    latent_channels: int = 4
    layers_per_block: int = 2
    paca: PacaForm = "pasd"


TINY = Architecture(
    unet_widths=(32, 64, 64, 64),
    embedding_widths=(8, 16, 24, 32),
    vae_widths=(16, 16, 32, 32),
    text_width=32,
    text_layers=1,
    heads=4,
    norm_groups=8,
)
"""Small enough for tests and demonstrations on a CPU."""

STABLE_DIFFUSION_15 = Architecture(
    unet_widths=(320, 640, 1280, 1280),
    embedding_widths=(16, 32, 96, 256),
    vae_widths=(128, 256, 512, 512),
    text_width=768,
    text_layers=12,
    heads=8,
    norm_groups=32,
)
"""The published size: 1.1 billion parameters in the UNet, 0.36 billion in the control branch."""


def build_networks(architecture: Architecture) -> tuple[PixelAwareUNet, ControlBranch]:
    """UNet and control branch with fresh weights, from torch's current random state.

    The convolutions that training starts at zero are random too, so that every part has an effect.
    """
    shared: dict[str, Any] = {
        "in_channels": architecture.latent_channels,
        "block_out_channels": architecture.unet_widths,
        "layers_per_block": architecture.layers_per_block,
        "attention_head_dim": architecture.heads,
        "norm_num_groups": architecture.norm_groups,
        "cross_attention_dim": architecture.text_width,
    }
    unet = PixelAwareUNet(paca=architecture.paca, out_channels=architecture.latent_channels, **shared)
    branch = ControlBranch(conditioning_embedding_out_channels=architecture.embedding_widths, **shared)
    zeros = (branch.controlnet_cond_embedding.conv_out, *branch.controlnet_down_blocks, branch.controlnet_mid_block)
    for convolution in zeros:
        assert isinstance(convolution, nn.Conv2d)
        convolution.reset_parameters()
    return unet.eval(), branch.eval()


def build_vae(architecture: Architecture) -> AutoencoderKL:
    """A VAE with fresh weights that reduces each side by 8."""
    levels = len(architecture.vae_widths)
    blocks: dict[str, Any] = {
        "block_out_channels": architecture.vae_widths,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    return AutoencoderKL(
        **blocks,
        layers_per_block=architecture.layers_per_block,
        latent_channels=architecture.latent_channels,
        norm_num_groups=min(architecture.norm_groups, *architecture.vae_widths),
    ).eval()


def save_untrained(folder: Path, architecture: Architecture, *, seed: int) -> None:
    """Write a whole model, base and PASD parts in one folder, with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet, branch = build_networks(architecture)
        unet.save_pretrained(folder / "unet")
        branch.save_pretrained(folder / "controlnet")
        build_vae(architecture).save_pretrained(folder / "vae")
        tokenizer = save_byte_tokenizer(folder / "tokenizer")
        build_text_encoder(architecture, tokenizer).save_pretrained(folder / "text_encoder")
    (folder / "scheduler").mkdir(parents=True, exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER_CONFIG, indent=2))


def build_text_encoder(architecture: Architecture, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text encoder with fresh weights for a tokenizer whose last two words are start and end."""
    words = len(tokenizer)
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=architecture.text_width,
        intermediate_size=4 * architecture.text_width,
        num_hidden_layers=architecture.text_layers,
        num_attention_heads=max(1, architecture.text_width // 64),
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )
    return CLIPTextModel(config).eval()


def save_byte_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write the smallest CLIP tokenizer: one token a byte, one a byte that ends a word, and no merges."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = list(_byte_letters())
    words = [*letters, *(f"{letter}</w>" for letter in letters), _START, _END]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    return CLIPTokenizer.from_pretrained(folder)


def _byte_letters() -> str:
    """The printable letter that stands for each byte in byte-level BPE (GPT-2 and CLIP): itself, or one above 255."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return "".join(chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256))
