"""Files of LoRAs: the tensors of each layer, and its alpha.

Three ways of naming are known. kohya's trainer writes `lora_unet_down_blocks_0_..._to_q.lora_down.weight` (a layer's
path with underscores for its dots, diffusers' path or that of Stable Diffusion's own code,
`lora_unet_input_blocks_4_1_...`), and an `.alpha` for each layer; diffusers
`unet.down_blocks.0...to_q.lora.down.weight`, in its first versions `...processor.to_q_lora.down.weight`; peft
`base_model.model.down_blocks.0...to_q.lora_A.weight`, with the alphas in a configuration beside the tensors or in the
file's metadata.
"""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.families import REMEDY
from pasd_batch.pasd.ldm_names import ldm_paths
from pasd_batch.pasd.model_config import read_json
from pasd_batch.pasd.state_dict import CheckpointError, listing, read_metadata, read_weight_file

FILE_NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""Files of a LoRA in a folder, as diffusers and peft save it."""

_FACTOR = re.compile(
    r"(?P<layer>.+?)(?:\.lora_|\.lora\.|\.lora_linear_layer\.|_lora\.)(?P<role>down|up|A|B)(?:\.default)?\.weight"
)
_ALPHA = re.compile(r"(?P<layer>.+)\.(?P<role>alpha)")
_ROLES = {"A": "down", "B": "up"}

_VARIANTS = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "oft_": "OFT",
    "lora_mid": "LoCon with a third factor",
}
"""Parts of names of keys that LoRAs' relatives have."""

_NO_LORAS = {
    "model.diffusion_model.": "a whole model; name it as model.personalized",
    "string_to_param": "a textual inversion, which is not read",
    "emb_params": "a textual inversion, which is not read",
}
"""Parts of names of keys that other files have."""

_FAMILIES = {
    "lora_te1_": "Stable Diffusion XL",
    "lora_te2_": "Stable Diffusion XL",
    "text_encoder_2.": "Stable Diffusion XL",
    "transformer_blocks_1_": "Stable Diffusion XL",
    "transformer_blocks.1.": "Stable Diffusion XL",
    "double_blocks": "Flux",
    "single_transformer_blocks": "Flux",
    "joint_blocks": "Stable Diffusion 3",
    "transformer.": "Stable Diffusion 3 or Flux",
}
"""Parts of names of keys that LoRAs of other families have; each attention of Stable Diffusion 1.5 has one block."""


@dataclass(frozen=True)
class LoraLayer:
    """Low-rank factors of the update of one layer's weight."""

    down: Float[Tensor, "rank inputs ..."]
    up: Float[Tensor, "outputs rank ..."]
    scale: float
    """alpha / rank."""

    @property
    def is_finite(self) -> bool:
        """True if all its values are numbers to work with."""
        return math.isfinite(self.scale) and bool(self.down.isfinite().all()) and bool(self.up.isfinite().all())

    @property
    def is_zero(self) -> bool:
        """True if nothing would be added."""
        return not (self.scale and bool(self.down.any()) and bool(self.up.any()))

    def addition(self) -> Float[Tensor, "outputs inputs"]:
        """scale x up @ down in float32; of a convolution, channels and pixels of its kernel are the inputs."""
        return self.scale * (self.up.flatten(1).float() @ self.down.flatten(1).float())


@dataclass(frozen=True)
class _AdapterConfig:
    """Strength of peft's layers: the configuration that it saves."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def alpha(self, layer: str, rank: int) -> float:
        """The layer's alpha; without any, as in files of before there were alphas, it is the rank."""
        for pattern, alpha in (self.values.get("alpha_pattern") or {}).items():
            # As peft matches them: a pattern is the end of a layer's path.
            if re.fullmatch(rf"(.*\.)?({pattern})", layer):
                return float(alpha)
        return float(self.values.get("lora_alpha", rank))

    def divisor(self, rank: int) -> float:
        """Number that alpha is divided by."""
        return math.sqrt(rank) if self.values.get("use_rslora") else float(rank)


def read_lora(path: Path, layers: Collection[str], *, allow_pickle: bool) -> dict[str, LoraLayer]:
    """Read a LoRA's layers by their paths.

    Args:
        path: a file, or a folder as diffusers or peft save it.
        layers: paths of the layers that a LoRA may be for, beginning with `unet.` or `text_encoder.text_model.`.
        allow_pickle: also read `.ckpt` and its like.

    Raises:
        CheckpointError: it cannot be read, is of another kind or family, or has keys that belong to no layer.
    """
    file = _file_of(path)
    tensors = read_weight_file(file, allow_pickle=allow_pickle)
    configs = _configs(path, file)
    _refuse_other_kinds(tensors, configs, file)
    parts, unknown = _by_layer(tensors, layers)
    if unknown:
        raise CheckpointError(f"{file}: {_what_it_is(tensors)}; {REMEDY}\n{listing('keys without a layer', unknown)}")
    if halves := [layer for layer, found in parts.items() if not {"down", "up"} <= found.keys()]:
        raise CheckpointError(
            f"{file}: damaged; copy or download it again\n{listing('layers with half a pair', halves)}"
        )
    if not parts:
        raise CheckpointError(f"{file}: would change nothing: it has no layers; {REMEDY}")
    return {layer: _layer(layer, found, configs) for layer, found in parts.items()}


def _by_layer(tensors: Mapping[str, Tensor], layers: Collection[str]) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Each layer's tensors by role (`down`, `up`, `alpha`), and the keys without a layer or with a duplicate role."""
    paths = {alias: layer for layer in layers for alias in _aliases(layer)}
    parts: dict[str, dict[str, Tensor]] = {}
    unknown: list[str] = []
    for key, tensor in tensors.items():
        named = _FACTOR.fullmatch(key) or _ALPHA.fullmatch(key)
        layer = paths.get(_plain(named["layer"])) if named else None
        role = _ROLES.get(named["role"], named["role"]) if named else ""
        if layer is None or role in parts.setdefault(layer, {}):
            unknown.append(key)
        else:
            parts[layer][role] = tensor
    return parts, unknown


def _file_of(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"LoRA {path}: no such file or folder; check the path")
    for name in FILE_NAMES:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"LoRA folder {path}: has no {' or '.join(FILE_NAMES)}; name the file in it")


def _configs(path: Path, file: Path) -> dict[str, _AdapterConfig]:
    """peft's configuration for each network: of a folder, or in the metadata of a file that diffusers saved."""
    if path.is_dir() and (path / "adapter_config.json").is_file():
        config = _AdapterConfig(read_json(path / "adapter_config.json"))
        return {"unet": config, "text_encoder": config}
    if file.suffix != ".safetensors":
        return {}
    try:
        values = json.loads(read_metadata(file).get("lora_adapter_metadata", "{}"))
    except ValueError as error:
        raise CheckpointError(f"{file}: its lora_adapter_metadata is no JSON ({error}); download it again") from None
    return {
        network: _AdapterConfig(
            {
                name.removeprefix(f"{network}."): value
                for name, value in values.items()
                if name.startswith(f"{network}.")
            }
        )
        for network in ("unet", "text_encoder")
    }


def _refuse_other_kinds(tensors: Collection[str], configs: Mapping[str, _AdapterConfig], file: Path) -> None:
    for mark, what in _NO_LORAS.items():
        if any(mark in key for key in tensors):
            raise CheckpointError(f"{file}: is no LoRA, but {what}")
    variants = [variant for mark, variant in _VARIANTS.items() if any(mark in key for key in tensors)]
    if any(config.values.get("use_dora") for config in configs.values()):
        variants.append("DoRA")
    if variants:
        raise CheckpointError(f"{file}: is a {variants[0]}, of which a part would be lost here; {REMEDY} without that")


def _what_it_is(tensors: Collection[str]) -> str:
    for mark, family in _FAMILIES.items():
        if any(mark in key for key in tensors):
            return f"is a LoRA for {family}"
    return "has keys that belong to no layer of UNet or text encoder"


def _aliases(layer: str) -> Iterator[str]:
    """Names of a layer in files, without `unet.` and the like before them."""
    network, _, path = layer.partition(".")
    yield path
    if network == "unet":
        for name in (path, *ldm_paths(path)):
            yield f"lora_unet_{name.replace('.', '_')}"
        yield path.removesuffix(".0")  # diffusers' first versions wrote to_out for to_out.0
        return
    yield f"lora_te_{path.replace('.', '_')}"
    short = path.removeprefix("text_model.")
    yield short
    for name in (path, short):
        yield re.sub(r"\b(q|k|v|out)_proj$", r"to_\1", name)  # and to_q for q_proj


def _plain(name: str) -> str:
    for wrapper in ("unet.", "text_encoder.", "base_model.model."):
        name = name.removeprefix(wrapper)
    return name.replace(".processor.", ".")


def _layer(layer: str, found: Mapping[str, Tensor], configs: Mapping[str, _AdapterConfig]) -> LoraLayer:
    network, _, path = layer.partition(".")
    rank = found["down"].shape[0]
    if "alpha" in found:
        return LoraLayer(found["down"], found["up"], float(found["alpha"]) / rank)
    config = configs.get(network, _AdapterConfig())
    return LoraLayer(found["down"], found["up"], config.alpha(path, rank) / config.divisor(rank))
