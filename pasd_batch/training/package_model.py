"""Making one model folder of what separate trainings gave: a denoiser, and a decoder trained on its latents meanwhile.

    python -m pasd_batch.training.package_model DENOISER VAE OUTPUT

`DENOISER` is the output of a PASD training from scratch, `VAE` that of a VAE training with `decoder_only` and the same
encoder. Weights are stored in float16.
"""

import sys
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.restoration import Precision
from pasd_batch.config.training_model import FromPasd
from pasd_batch.pasd.checkpoint import load_base
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.training.model_files import pasd_files
from pasd_batch.training.start import TrainingNetworks, build_start, load_vae

_LATENTS = ("encoder.", "quant_conv.")


def package_model(denoiser: Path, vae: Path, output: Path) -> None:
    """Write the model folder `output` (float16).

    Raises:
        CheckpointError: a folder does not load, or the two do not share their latents.
    """
    start = FromPasd(base=denoiser, control=denoiser, carries_base=True)
    networks = build_start(start, prediction_of(denoiser), seed=0)
    take_decoder(networks, vae)
    forget_words(networks)
    for path, data in pasd_files(networks, Precision.FLOAT16):
        target = output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def prediction_of(folder: Path) -> PredictionType:
    """What the denoiser of a model folder predicts."""
    return PredictionType(load_base(folder).scheduler_config.get("prediction_type", PredictionType.EPSILON))


def take_decoder(networks: TrainingNetworks, vae: Path) -> None:
    """Take a VAE's decoder, which must have been trained on the latents of the networks' own encoder.

    Raises:
        CheckpointError: the encoders differ.
    """
    weights, own = load_vae(vae / "vae").state_dict(), networks.vae.state_dict()
    if weights.keys() != own.keys():
        raise CheckpointError(f"{vae}: its VAE has other layers than that of the denoiser")
    if other := [name for name in own if name.startswith(_LATENTS) and _differ(weights[name], own[name])]:
        raise CheckpointError(
            f"{vae}: its encoder is not the one that the denoiser was trained with ({len(other)} tensors differ, such "
            f"as {other[0]}); train the decoder with decoder_only on the same encoder"
        )
    networks.vae.load_state_dict(weights)


def forget_words(networks: TrainingNetworks) -> None:
    """Give every word the embedding of padding, so that a model trained without captions takes no harm from prompts."""
    with torch.no_grad():
        embeddings = cast(Any, networks.text_encoder).get_input_embeddings().weight
        start, padding = (cast(int, number) for number in _marks(networks.tokenizer))
        words = [number for number in range(len(embeddings)) if number not in (start, padding)]
        embeddings[words] = embeddings[padding].clone()


def _marks(tokenizer: CLIPTokenizer) -> tuple[Any, Any]:
    return tokenizer.bos_token_id, tokenizer.pad_token_id


def _differ(one: Tensor, other: Tensor) -> bool:
    # Exports in float16 round both alike.
    return not torch.allclose(one.half().float(), other.half().float(), rtol=2e-3, atol=1e-4)


if __name__ == "__main__":
    package_model(*(Path(argument) for argument in sys.argv[1:4]))
