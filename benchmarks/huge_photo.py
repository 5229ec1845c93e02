"""Main memory that a very large photo takes, from its file to the file of its result.

    python benchmarks/huge_photo.py --width 12000 --height 9000 --scale 2 --format png

The photo goes through `pasd-batch restore`'s own pipeline, with networks of the embedded model's shapes that cost
little time: a VAE of the same latents whose decoder is narrow, a degradation removal module of the same width without
blocks, and a denoiser that predicts no noise. What is told is the peak of resident memory of this process and the
decoder's together, above what they have after a small photo.
"""

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image

from pasd_batch.batch.local.restoring import restore_photos
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.pasd.degradation_removal import RrdbDegradationRemoval
from pasd_batch.pasd.esrgan_vae import EsrganVae
from pasd_batch.pasd.guidance import GuidedDenoiser, TileBatch
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.restorer import Restorer

_FEATURES = 2
"""Channels of the VAE's decoder."""

_SAMPLE_SECONDS = 0.02


def stand_in_vae(embedded: AutoencoderKL) -> EsrganVae:
    """A VAE of the embedded one's structure and latents, with a narrow decoder."""
    config: dict[str, Any] = {**embedded.config, "block_out_channels": (_FEATURES,) * 4, "norm_num_groups": _FEATURES}
    return cast(EsrganVae, EsrganVae.from_config(config)).eval()


class NoNoise(GuidedDenoiser):
    """A denoiser that predicts no noise."""

    def __call__(self, batch: TileBatch, timestep: int | float | torch.Tensor) -> torch.Tensor:
        """Zeros."""
        return torch.zeros_like(batch.latents)


def load_stand_in(settings: RunSettings) -> Restorer:
    """The embedded model with stand-ins for what takes long."""
    models = load_models(settings.restoration.model)
    width = models.unet.config["block_out_channels"][0]
    models.control_branch.controlnet_cond_embedding = RrdbDegradationRemoval(width, blocks=0).eval()
    models = replace(models, vae=stand_in_vae(models.vae))
    restorer = Restorer(models, settings.restoration)
    pipeline = restorer._pipeline(settings.restoration.sampling)
    usual = pipeline.denoiser
    pipeline.denoiser = NoNoise(usual.unet, usual.control_branch, usual.guidance)
    return restorer


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Resident bytes of this process and those below it, now and then, while the context lasts."""
    process, seen, done = psutil.Process(), [_resident(psutil.Process())], threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            seen.append(_resident(process, highest=True))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _resident(process: psutil.Process, *, highest: bool = False) -> int:
    """Resident bytes of this process, now or at most so far (which no sample can miss), and of those below it now."""
    total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if highest else process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def make_photo(path: Path, width: int, height: int) -> None:
    """A JPEG of smooth colours with grain."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(40, 216, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    grain = rng.integers(-4, 5, (256, width, 1), dtype=np.int8)
    result = np.empty_like(pixels)
    for top in range(0, height, 256):
        rows = pixels[top : top + 256]
        result[top : top + 256] = np.clip(rows.astype(np.int16) + grain[: len(rows)], 0, 255)
    Image.fromarray(result).save(path, quality=92)


def main() -> None:
    """Restore a small photo, then the large one, and tell the memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=12000)
    parser.add_argument("--height", type=int, default=9000)
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--format", default="png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = RestoreSettings.parse(
        {
            "sampling": {
                "scale": options.scale,
                "adapt": False,
                "tiling": {"tile_size": 96, "overlap": 8, "vae_tile_size": 128},
            },
            "output": {"file": {"format": options.format, "compression": 1}},
            "limits": {"max_decode_seconds": 600},
            "deadlines": {"fetch": 3600, "store": 3600},
        }
    )
    loaders = ModelLoaders(restorer=load_stand_in, fingerprint=lambda settings: "stand-in")
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.jpg"), Path(folder, "large.jpg")
        make_photo(small, 400, 300)
        make_photo(large, options.width, options.height)
        base = _resident_after(small, Path(folder, "first"), settings, loaders)
        began = time.monotonic()
        with watched_memory() as seen:
            (row,) = restore_photos([large], Path(folder, "second"), settings, loaders=loaders)
        assert row["status"] == "ok", row["error_message"]
        print(
            f"{options.width}x{options.height} x{options.scale:g} to {row['output_width']}x{row['output_height']} "
            f"{options.format} of {row['output_bytes'] / 1e6:,.0f} MB: {(max(seen) - base) / 1e9:.2f} GB above "
            f"{base / 1e9:.2f} GB, in {time.monotonic() - began:,.0f} s; stages {row['seconds']}"
        )


def _resident_after(photo: Path, output: Path, settings: RestoreSettings, loaders: ModelLoaders) -> int:
    restore_photos([photo], output, settings, loaders=loaders)
    return _resident(psutil.Process())


if __name__ == "__main__":
    main()
