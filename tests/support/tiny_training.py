"""Trainings that take seconds: a few photos, a model of some ten thousand parameters.

In a module of its own, because killed processes and loaders run it by name.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from pasd_batch.config.training import parse_training
from pasd_batch.pasd.untrained import Architecture, save_untrained
from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task

SMALL = Architecture(
    unet_widths=(16, 16, 16, 16),
    embedding_widths=(8, 8, 8, 8),
    vae_widths=(8, 8, 8, 8),
    text_width=16,
    text_layers=1,
    heads=2,
    norm_groups=4,
)
SIZES = {"latent_channels": 8, "widths": [8, 8, 16, 16], "norm_groups": 4}
"""Of a VAE."""
EVERYTHING = ["control_branch", "degradation_removal", "paca", "unet", "text_encoder"]


def write_photos(folder, count=6, side=64):
    """Different crops of a real photograph as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    source = np.asarray(data.astronaut())
    for number in range(count):
        top, left = 40 * number, 30 * number
        Image.fromarray(source[top : top + side, left : left + side]).save(folder / f"photo-{number}.png")
    return folder


def write_base(folder):
    """A small untrained model, of which trainings take the VAE."""
    save_untrained(folder, SMALL, seed=3)
    return folder


def scratch(base, **more):
    """A model start: everything small."""
    return {
        "start": "scratch",
        "vae": str(base),
        "unet": {
            "widths": [16, 16],
            "text_attention": [False, True],
            "heads": 2,
            "norm_groups": 4,
            "layers_per_block": 1,
        },
        "text_encoder": {"width": 16},
        "branch": {"conditioning_embedding_out_channels": [8, 8, 8, 8]},
        **more,
    }


def values(work, **more):
    """Plain settings of a training in `work`, which has `photos/` and `base/`; `more` replaces top-level ones."""
    return {
        "output": str(work / "output"),
        "steps": 6,
        "batch_size": 2,
        "data": {
            "sources": [{"kind": "photos", "path": str(work / "photos")}],
            "samples": {"crop_size": 32, "smallest_side": 32},
            "loaders": 0,
        },
        "model": scratch(work / "base"),
        "trainable": EVERYTHING,
        "optimizer": {"learning_rate": 1e-3},
        "ema_decay": 0.9,
        "workers": {"ray": False},
        "checkpoints": {"every": 2},
        "log": {"every": 1},
        **more,
    }


def settings(work, **more):
    """The same, validated."""
    return parse_training(values(work, **more))


def vae_settings(work, **more):
    """Settings of a VAE's training."""
    shared = {key: value for key, value in values(work).items() if key not in ("model", "trainable")}
    return parse_training({**shared, "trains": "vae", "sizes": SIZES, **more})


def prepare(work):
    """Photos and a base in a folder."""
    write_photos(work / "photos")
    write_base(work / "base")
    return work


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(settings(Path(sys.argv[1]), steps=int(sys.argv[2])))


def stepper_and_maker(work, **more):
    """A stepper on the CPU, and what makes its batches."""
    chosen = settings(work, **more)
    task = build_task(chosen)
    maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=chosen.seed)
    return Stepper(task.objective, chosen, torch.device("cpu"), workers=1), maker


def weights(stepper):
    return {name: parameter.detach().clone() for name, parameter in stepper.parameters.items()}


def largest_difference(first, second):
    return max(float((first[name] - second[name]).abs().max()) for name in first)
