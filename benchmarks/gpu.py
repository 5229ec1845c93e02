"""Speed on a GPU, all in one table: where the time of a photo goes, and what would take less.

    python benchmarks/gpu.py --budget 480 --json gpu.json      # Stable Diffusion 1.5's size, random weights, bfloat16
    python benchmarks/gpu.py --tiny --device cpu --sides 64 --photos 1 --steps 1     # tries the script itself

Measured are: the whole restorer and its denoiser alone, guided and with few unguided steps, against a plain loop over
the same networks with diffusers' layers; the VAE in several precisions with its errors, on random weights of full size
and on the embedded model's trained ones; one call of the networks launched kernel by kernel and as a CUDA graph, and
its kernels by kind, both also with diffusers' layers; attention by each of torch's kernels. Rows are measured in the
order of their worth until the budget is used up; what was left out is told. Nothing is downloaded.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from evaluation.machine import hardware, versions
from speed.attention import attention_rows
from speed.calls import call_rows, kernel_rows
from speed.networks import random_models
from speed.restoring import Sampling, plain_rows, restoring_rows
from speed.rows import Clock, Results, Row, Task
from speed.vae import embedded_rows, vae_rows

from pasd_batch.config.model import ModelSettings, Precision
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.models import Models
from pasd_batch.pasd.untrained import STABLE_DIFFUSION_15, TINY

_SECONDS_OF_A_PHOTO = 0.4
"""Of 512x512 in 20 guided steps on an H100, taken for planning alone."""

_TURBO = Sampling(4, 1.0)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    clock = Clock(options.budget)
    models = networks(options)
    about = {"hardware": hardware(), "versions": versions(), "dtype": str(models.dtype), "tiny": options.tiny}
    print(f"{about['hardware']}; torch {torch.__version__}; {models.dtype}; networks made after {clock.spent:.0f} s\n")
    results = Results(about, options.peak_tflops, options.json)
    results.measure(plan(models, options), clock)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=480, help="seconds in all")
    parser.add_argument("--json", type=Path, help="file for all numbers, written after each case")
    parser.add_argument("--tiny", action="store_true", help="networks of a test's size")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", type=Precision, help="networks' precision (default: bfloat16 on CUDA)")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 768], help="photo sides in pixels")
    parser.add_argument("--photos", type=int, nargs="+", default=[4, 1, 16], help="photos that are restored together")
    parser.add_argument(
        "--tiles", type=int, nargs="+", default=[1, 8, 4, 16, 32], help="tiles of a call; the second for its kernels"
    )
    parser.add_argument("--steps", type=int, default=20, help="guided steps")
    parser.add_argument("--repeats", type=int, default=2, help="timings of a restorer, of which the fastest counts")
    parser.add_argument("--peak-tflops", type=float, default=989, help="the hardware's dense peak in this precision")
    return parser.parse_args(arguments)


def networks(options: argparse.Namespace, *, fused_layers: bool = True) -> Models:
    settings = ModelSettings(device=options.device, dtype=options.dtype, fused_layers=fused_layers)
    return random_models(TINY if options.tiny else STABLE_DIFFUSION_15, settings)


def plan(models: Models, options: argparse.Namespace) -> Iterator[Task]:
    """What is measured, the most telling first."""
    first, *others = options.sides
    few, more = options.tiles[:2], options.tiles[2:]
    several = few[-1]
    latents = first // LATENT_FACTOR
    guided = Sampling(options.steps, 9.0)
    yield from restoring(models, first, options.photos, guided, options.repeats)
    yield from restoring(models, first, options.photos, _TURBO, options.repeats)
    yield from restoring(models, first, options.photos[-1:], replace(guided, step_cache=2), options.repeats)
    if models.graphs is not None:
        eager = replace(models, graphs=None)
        yield from restoring(eager, first, options.photos[:2], guided, options.repeats, ", eager")
    yield Task("VAE, random weights", 8, lambda: vae_rows(models.vae, "random weights", first, (1, 4)))
    yield Task(f"calls of {few} tiles", 8, lambda: calls(models, latents, few))
    yield Task("kernels of a call", 6, lambda: kernel_rows(models, latents, several))
    yield Task("attention by kernel", 3, lambda: attention_rows(models, latents, several))
    yield Task("VAE of the embedded model", 6, lambda: embedded_rows(models.device, first, (1, 4)))
    yield Task("VAE, diffusers' layers", 12, lambda: vae_of_own_layers(options, first))
    yield Task(f"plain loop at {first}", 12, lambda: plain_rows(networks(options, fused_layers=False), first, guided))
    yield Task("diffusers' layers", 15, lambda: calls_of_own_layers(options, latents, several))
    for side in others:
        yield from restoring(models, side, options.photos, guided, options.repeats)
        yield from restoring(models, side, options.photos, _TURBO, options.repeats)
    yield Task(f"calls of {more} tiles", 15, lambda: calls(models, latents, more))
    for side in others:
        yield Task(f"calls at {side}", 10, lambda side=side: calls(models, side // LATENT_FACTOR, few))
        plain = partial(plain_rows, side=side, sampling=guided)
        yield Task(f"plain loop at {side}", 15, lambda plain=plain: plain(networks(options, fused_layers=False)))


def restoring(
    models: Models, side: int, counts: Iterable[int], sampling: Sampling, repeats: int, setting: str = ""
) -> Iterator[Task]:
    """One task for each number of photos."""
    steps = sampling.steps / 20 * (1.0 if sampling.guided else 0.6)
    a_photo = _SECONDS_OF_A_PHOTO * (side / 512) ** 2.5 * steps + 0.1
    for count in counts:
        seconds = (2 + repeats) * count * a_photo + 2
        yield Task(
            f"{count} photos of {side}x{side}, {sampling}{setting}",
            seconds,
            lambda count=count: restoring_rows(models, side, count, sampling, repeats, setting),
        )


def calls_of_own_layers(options: argparse.Namespace, side: int, tiles: int) -> Iterator[Row]:
    """A call and its kernels with the layers of diffusers, which copy features from one layout into the other."""
    models = networks(options, fused_layers=False)
    yield from call_rows(models, side, tiles, ", diffusers' layers")
    yield from kernel_rows(models, side, tiles, ", diffusers' layers")


def vae_of_own_layers(options: argparse.Namespace, side: int) -> Iterator[Row]:
    """The VAE with the layers of diffusers."""
    vae = networks(options, fused_layers=False).vae
    yield from vae_rows(vae, "random weights, diffusers' layers", side, (1,))


def calls(models: Models, side: int, tiles: Iterable[int]) -> Iterator[Row]:
    """Calls on these numbers of tiles."""
    for number in tiles:
        yield from call_rows(models, side, number)


if __name__ == "__main__":
    main()
