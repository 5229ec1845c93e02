"""Trained networks as files in the published layout, which restoring loads strictly."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import save
from torch import nn

from pasd_batch.config.model import Precision
from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.unet import PixelAwareUNet
from pasd_batch.training.networks.initialization import TrainingNetworks

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_CONFIG = "config.json"


def pasd_files(networks: TrainingNetworks, precision: Precision) -> Iterator[tuple[str, bytes]]:
    """`unet/`, `controlnet/` and `scheduler/`, and for models of one's own the base's other parts."""
    yield from network_files("unet", networks.unet, precision)
    yield from network_files("controlnet", networks.control_branch, precision)
    yield "scheduler/scheduler_config.json", json.dumps(networks.scheduler_config, indent=1).encode()
    if networks.carries_base:
        yield from network_files("vae", networks.vae, precision)
        yield from _text_files(networks, precision)


def network_files(
    folder: str, network: PixelAwareUNet | ControlBranch | AutoencoderKL, precision: Precision
) -> Iterator[tuple[str, bytes]]:
    """Configuration and weights of a diffusers model."""
    config = json.loads(network.to_json_string())
    # Where the network was loaded from is nobody's business, and not the same on the next machine.
    config.pop("_name_or_path", None)
    yield f"{folder}/{_CONFIG}", json.dumps(config, indent=2, sort_keys=True).encode()
    yield f"{folder}/{_WEIGHTS}", _weights(network, precision)


def _text_files(networks: TrainingNetworks, precision: Precision) -> Iterator[tuple[str, bytes]]:
    yield f"text_encoder/{_CONFIG}", networks.text_encoder.config.to_json_string().encode()
    yield "text_encoder/model.safetensors", _weights(networks.text_encoder, precision)
    with TemporaryDirectory() as folder:
        networks.tokenizer.save_pretrained(folder)
        for path in sorted(Path(folder).iterdir()):
            yield f"tokenizer/{path.name}", path.read_bytes()


def _weights(network: nn.Module, precision: Precision) -> bytes:
    dtype: torch.dtype = getattr(torch, precision.value)
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in network.state_dict().items()}
    return save(tensors, metadata={"format": "pt"})
