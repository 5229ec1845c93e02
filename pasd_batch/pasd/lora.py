"""LoRAs: low-rank additions to the weights of Stable Diffusion 1.5, merged before anything is compiled.

A layer's weight becomes W + weight x (alpha / rank) x up @ down (arXiv 2106.09685), in float32. PACA layers are never
targets.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn
from transformers import CLIPTextModel

from pasd_batch.config.personalization import LoraSettings
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.checkpoint import is_paca
from pasd_batch.pasd.families import REMEDY, TEXT_WIDTHS
from pasd_batch.pasd.lora_file import LoraLayer, read_lora
from pasd_batch.pasd.state_dict import CheckpointError, assign_strictly, listing
from pasd_batch.pasd.unet import PixelAwareUNet


class _Target(NamedTuple):
    network: nn.Module
    name: str
    """The weight's name in its network's state dict."""
    weight: Tensor
    factor: float


def merge_lora(
    unet: PixelAwareUNet, text_encoder: CLIPTextModel, settings: LoraSettings, *, allow_pickle: bool = False
) -> None:
    """Add a LoRA to the weights of UNet and text encoder, in place.

    Raises:
        CheckpointError: the file cannot be read, is of another kind or family, or would change nothing.
    """
    targets = dict(_targets(unet, text_encoder, settings))
    path = local_path(settings.path)
    layers = read_lora(path, targets, allow_pickle=allow_pickle)
    if misfits := [misfit for name, layer in layers.items() if (misfit := _misfit(name, layer, targets[name].weight))]:
        raise CheckpointError(f"{path}: {_what_it_is(layers)}; {REMEDY}\n{listing('misshapen', misfits)}")
    if broken := [name for name, layer in layers.items() if not layer.is_finite]:
        raise CheckpointError(f"{path}: has values that are not finite numbers; {REMEDY}\n{listing('layers', broken)}")
    merged = {name: layer for name, layer in layers.items() if targets[name].factor and not layer.is_zero}
    if not merged:
        raise CheckpointError(f"{path}: would change nothing: it {_why_nothing(layers, settings)}")
    for network in (unet, text_encoder):
        added = {
            target.name: target.weight.float() + target.factor * layer.addition().reshape(target.weight.shape)
            for name, layer in merged.items()
            if (target := targets[name]).network is network
        }
        assign_strictly(network, {**network.state_dict(), **added}, source=str(path))


def _targets(
    unet: PixelAwareUNet, text_encoder: CLIPTextModel, settings: LoraSettings
) -> Iterator[tuple[str, _Target]]:
    """Layers that a LoRA may be for, by path."""
    for path, layer in _layers(unet):
        if not is_paca(path):
            yield f"unet.{path}", _Target(unet, f"{path}.weight", layer, settings.weight)
    factor = settings.weight if settings.text_encoder is None else settings.text_encoder
    for path, layer in _layers(text_encoder):
        # Modules are named without `text_model.` since transformers 5, and with it before.
        known = f"text_encoder.text_model.{path.removeprefix('text_model.')}"
        yield known, _Target(text_encoder, f"{path}.weight", layer, factor)


def _layers(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for path, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            yield path, module.weight


def _misfit(name: str, layer: LoraLayer, weight: Tensor) -> str | None:
    down, up = list(layer.down.shape), list(layer.up.shape)
    fits = layer.up.flatten(1).shape[1] == down[0] and up[0] == weight.shape[0]
    if fits and layer.down[0].numel() == weight[0].numel():
        return None
    return f"{name}: {up} x {down} for {list(weight.shape)}"


def _why_nothing(layers: Mapping[str, LoraLayer], settings: LoraSettings) -> str:
    if all(layer.is_zero for layer in layers.values()):
        return "has no layers but zeros, as before its training"
    networks = {name.partition(".")[0] for name in layers}
    whose = (
        "text encoder" if networks == {"text_encoder"} else "UNet" if networks == {"unet"} else "UNet and text encoder"
    )
    given = f"weight {settings.weight:g}, text_encoder {settings.text_encoder}"
    return f"is for {whose} alone, which its factors ({given}) leave out; set them, or leave it out"


def _what_it_is(layers: Mapping[str, LoraLayer]) -> str:
    for name, layer in layers.items():
        # Keys of the attention to texts have the text encoder's width.
        if name.endswith("attn2.to_k") and layer.down.shape[1] in TEXT_WIDTHS:
            return f"is a LoRA for {TEXT_WIDTHS[layer.down.shape[1]]}"
    return "does not fit Stable Diffusion 1.5"
