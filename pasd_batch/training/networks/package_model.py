"""Packaging of separate trainings as one model folder: a denoiser, and a decoder trained on its latents.

    python -m pasd_batch.training.networks.package_model DENOISER VAE OUTPUT

`DENOISER` is the output of a PASD training from scratch, `VAE` that of a VAE training with `decoder_only` and the same
encoder. Weights are stored in float16.
"""

import argparse
from pathlib import Path
from typing import Any, cast

import torch

from pasd_batch.config.model import Precision
from pasd_batch.training.networks.initialization import TrainingNetworks, load_pasd, load_trained_vae
from pasd_batch.training.networks.latent_space import check_same_latents
from pasd_batch.training.networks.model_files import pasd_files


def package_model(denoiser: Path, vae: Path, output: Path) -> None:
    """Write the model folder `output` (float16).

    Raises:
        CheckpointError: a folder does not load, or the two do not share their latents.
    """
    networks = load_pasd(denoiser)
    take_decoder(networks, vae)
    neutralise_words(networks)
    for path, data in pasd_files(networks, Precision.FLOAT16):
        target = output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def take_decoder(networks: TrainingNetworks, vae: Path) -> None:
    """Replace the networks' decoder by one that was trained on the latents of the same encoder.

    Raises:
        CheckpointError: the encoders differ.
    """
    trained = load_trained_vae(vae / "vae")
    check_same_latents(trained, networks.vae, vae)
    networks.vae.load_state_dict(trained.state_dict())


def neutralise_words(networks: TrainingNetworks) -> None:
    """Give every token the embedding of padding, so that prompts do not affect a model trained without captions."""
    with torch.no_grad():
        embeddings = cast(Any, networks.text_encoder).get_input_embeddings().weight
        tokenizer = cast(Any, networks.tokenizer)
        start, padding = int(tokenizer.bos_token_id), int(tokenizer.pad_token_id)
        words = [number for number in range(len(embeddings)) if number not in (start, padding)]
        embeddings[words] = embeddings[padding].clone()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("denoiser", type=Path, help="output of a PASD training from scratch")
    parser.add_argument("vae", type=Path, help="output of a VAE training with decoder_only on the same encoder")
    parser.add_argument("output", type=Path, help="where the model folder is written")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    package_model(given.denoiser, given.vae, given.output)
