"""Personalised models and LoRAs as communities share them, made from networks in memory.

The names are written down here a second time, the other way round: from diffusers' names to the original ones.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pasd_batch.pasd.checkpoint import is_paca

_UNET_ENDS = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.",
    "conv_shortcut.": "skip_connection.",
}
_VAE_ATTENTION = {"group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out."}
_VAE_LEVELS = 4


def original_unet_name(name: str) -> str:
    """A UNet's tensor in Stable Diffusion's own code, where all blocks of a way are one list (three to a level)."""
    for new, old in _UNET_ENDS.items():
        if name.startswith(new):
            return f"model.diffusion_model.{old}{name.removeprefix(new)}"
    way, *rest = name.split(".")
    if way == "mid_block":
        kind, number, *inner = rest
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}"
    else:
        level, kind, number, *inner = rest
        block = 3 * int(level) + int(number)
        if way == "down_blocks":
            place = {
                "resnets": f"input_blocks.{block + 1}.0",
                "attentions": f"input_blocks.{block + 1}.1",
                "downsamplers": f"input_blocks.{3 * int(level) + 3}.0",
            }[kind]
        else:
            place = {
                "resnets": f"output_blocks.{block}.0",
                "attentions": f"output_blocks.{block}.1",
                "upsamplers": f"output_blocks.{3 * int(level) + 2}.{1 if level == '0' else 2}",
            }[kind]
    last = ".".join(inner)
    if kind == "resnets":
        last = _replace_start(last, _RESNET)
    elif kind == "downsamplers":
        last = last.replace("conv.", "op.")
    return f"model.diffusion_model.{place}.{last}"


def original_vae_name(name: str) -> str:
    """A VAE's tensor in Stable Diffusion's own code, where levels of the decoder are counted from the finest."""
    side, _, rest = name.partition(".")
    rest = rest.replace("conv_norm_out.", "norm_out.").replace("conv_shortcut.", "nin_shortcut.")
    if found := re.fullmatch(r"mid_block\.attentions\.0\.(.*)", rest):
        rest = f"mid.attn_1.{_replace_start(found[1], _VAE_ATTENTION)}"
    elif found := re.fullmatch(r"mid_block\.resnets\.(\d)\.(.*)", rest):
        rest = f"mid.block_{int(found[1]) + 1}.{found[2]}"
    elif found := re.fullmatch(r"(down|up)_blocks\.(\d)\.(.*)", rest):
        level = int(found[2]) if found[1] == "down" else _VAE_LEVELS - 1 - int(found[2])
        inner = found[3].replace("resnets.", "block.").replace("samplers.0.", "sample.")
        rest = f"{found[1]}.{level}.{inner}"
    return f"first_stage_model.{side}.{rest}"


def original_text_name(name: str) -> str:
    """A text encoder's tensor in Stable Diffusion's own files."""
    return f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"


def single_file(
    unet: Mapping[str, Tensor], vae: Mapping[str, Tensor] | None = None, text: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Tensors of a single file in the original names, of a UNet (without its PACA tensors) and what else is given."""
    file = {original_unet_name(name): tensor for name, tensor in unet.items() if not is_paca(name)}
    for name, tensor in (vae or {}).items():
        is_attention = ".attentions." in name and tensor.ndim == 2
        file[original_vae_name(name)] = tensor[:, :, None, None] if is_attention else tensor
    file |= {original_text_name(name): tensor for name, tensor in (text or {}).items()}
    return {name: tensor.contiguous() for name, tensor in file.items()}


def lora_layers(unet: nn.Module, text_encoder: nn.Module) -> dict[str, Tensor]:
    """Weights that a LoRA may be for, by their layers' paths: of linear layers and convolutions, without PACA's."""
    weights = {}
    for network, prefix in ((unet, "unet."), (text_encoder, "text_encoder.text_model.")):
        for path, module in network.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and not is_paca(path):
                weights[prefix + path.removeprefix("text_model.")] = module.weight.detach().clone()
    return weights


def random_factors(weights: Mapping[str, Tensor], *, rank: int, seed: int = 5) -> dict[str, tuple[Tensor, Tensor]]:
    """Random factors (down, up) for each weight; of a convolution, `up` is a 1x1 convolution."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name, weight in weights.items():
        ones = (1,) * (weight.ndim - 2)
        down = torch.randn(rank, *weight.shape[1:], generator=generator) / 10
        factors[name] = down, torch.randn(len(weight), rank, *ones, generator=generator) / 10
    return factors


def kohya_name(layer: str) -> str:
    """Name of a layer in files of kohya's trainer."""
    network, _, path = layer.partition(".")
    return {"unet": "lora_unet_", "text_encoder": "lora_te_"}[network] + path.replace(".", "_")


def kohya_original_name(layer: str) -> str:
    """Name of a layer in files of kohya's trainer that name a UNet's layers as Stable Diffusion's own code does."""
    if not layer.startswith("unet."):
        return kohya_name(layer)
    path = original_unet_name(f"{layer.removeprefix('unet.')}.").removeprefix("model.diffusion_model.")
    return f"lora_unet_{path.rstrip('.').replace('.', '_')}"


def _peft_name(layer: str) -> str:
    return f"base_model.model.{layer.partition('.')[2]}"


def _first_diffusers(layer: str) -> tuple[str, str]:
    # Only attention, and in the text encoder under other names.
    head, _, projection = layer.removesuffix(".0").rpartition(".")
    if layer.startswith("unet"):
        return f"{head}.processor.{projection}_lora.down.weight", f"{head}.processor.{projection}_lora.up.weight"
    projection = projection.replace("q_proj", "to_q").replace("out_proj", "to_out")
    return f"{head}.{projection}_lora.down.weight", f"{head}.{projection}_lora.up.weight"


LORA_NAMINGS: dict[str, Callable[[str], tuple[str, str]]] = {
    "kohya": lambda layer: (f"{kohya_name(layer)}.lora_down.weight", f"{kohya_name(layer)}.lora_up.weight"),
    "kohya, original names": lambda layer: (
        f"{kohya_original_name(layer)}.lora_down.weight",
        f"{kohya_original_name(layer)}.lora_up.weight",
    ),
    "diffusers": lambda layer: (
        (f"{layer}.lora.down.weight", f"{layer}.lora.up.weight")
        if layer.startswith("unet")
        else (f"{layer}.lora_linear_layer.down.weight", f"{layer}.lora_linear_layer.up.weight")
    ),
    "diffusers, first versions": _first_diffusers,
    "diffusers with peft": lambda layer: (f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"),
    "peft": lambda layer: (f"{_peft_name(layer)}.lora_A.weight", f"{_peft_name(layer)}.lora_B.weight"),
}
"""Names of a layer's two factors, down and up, in files of different programs."""


def lora_tensors(
    factors: Mapping[str, tuple[Tensor, Tensor]], naming: str, *, alpha: float | None = None
) -> dict[str, Tensor]:
    """Tensors of a LoRA's file; alphas are kohya's, one for each layer."""
    tensors = {}
    for layer, pair in factors.items():
        tensors |= dict(zip(LORA_NAMINGS[naming](layer), pair, strict=True))
        if alpha is not None:
            tensors[f"{kohya_name(layer)}.alpha"] = torch.tensor(alpha)
    return tensors


def save_lora(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a LoRA's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        path,
        metadata=dict(metadata) if metadata else None,
    )
    return path


@contextmanager
def restored_after(*networks: nn.Module) -> Iterator[None]:
    """Give networks whose weights are replaced, not changed in place, their own ones back: quicker than copies."""
    kept = [network.state_dict() for network in networks]
    try:
        yield
    finally:
        for network, own in zip(networks, kept, strict=True):
            network.load_state_dict(own, assign=True)


def _replace_start(name: str, starts: Mapping[str, str]) -> str:
    for new, old in starts.items():
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name
