"""Crops a second of a training, by its parts: making batches, steps on one batch, and both together.

    python benchmarks/training_pace.py configs/train_tiny_gpu.yaml [--seconds 20] [--profile] [key=value ...]

Each way of running the networks (as they are, channels last, recorded as a CUDA graph, compiled) is measured for so
many seconds after a warm-up.
With `--profile` the operations that took longest follow, kernels on a GPU; with `--parts` the time of each network's
forward and backward passes alone, which on a GPU takes some seconds:

    python benchmarks/training_pace.py configs/train_tiny_gan.yaml --seconds 3 --parts --ways "recorded, channels last"

Nothing is written.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import torch
from evaluation.machine import hardware
from torch.profiler import ProfilerActivity, profile
from training_parts import show_parts

from pasd_batch.config.training import AnyTraining, load_training
from pasd_batch.pasd.device import choose_device
from pasd_batch.training.data.batch_maker import Feed, NumberedBatch
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.data.prefetch import prefetched
from pasd_batch.training.loop.acceleration import accelerate
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.networks.loss_networks import prepare_loss_networks
from pasd_batch.training.pasd_task import PasdTask
from pasd_batch.training.trainer import build_feed
from pasd_batch.training.worker_setup import build_task

_MANY = 2**31
_WARM_UP_STEPS = 5
_PROFILED_STEPS = 5
_WAYS = {
    "as they are": {"cuda_graph": False},
    "channels last": {"cuda_graph": False, "channels_last": True},
    "recorded": {"cuda_graph": True},
    "recorded, channels last": {"cuda_graph": True, "channels_last": True},
    "compiled": {"cuda_graph": False, "compile": True},
    "compiled, channels last": {"cuda_graph": False, "channels_last": True, "compile": True},
}


def main() -> None:
    options = parse_arguments()
    settings = load_training(options.config, options.overrides)
    placement = Placement(choose_device(settings.device))
    print(f"{hardware()}; {placement.device}; torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{options.config}: {settings.batch_size} crops of {settings.data.samples.crop_size} px a batch\n")
    data = settings.data
    feed = build_feed(settings, placement, list_photos(data.sources, data.storage))
    print(f"batches alone: {batches_alone(feed, placement.device, options.seconds):,.0f} crops/s\n")
    print("| networks | steps alone, crops/s | with batches, crops/s |")
    print("|---|---:|---:|")
    for name in options.ways:
        measure(name, settings.model_copy(update=_WAYS[name]), placement, feed, options)


def measure(name: str, settings: AnyTraining, placement: Placement, feed: Feed, options: argparse.Namespace) -> None:
    """Print the row of one way of running the networks."""
    torch.compiler.reset()
    task = build_task(settings)
    task.objective.to(placement.device)
    task.prepare()
    accelerate(task.networks_in_use, settings)
    prepare_loss_networks(task.loss_networks, settings.precision, placement.device)
    stepper = Stepper(task.objective, settings, placement.device, workers=1)
    with closing(feed(range(1))) as one:  # pyright: ignore[reportArgumentType]
        same = next(one).to(placement.device)
    alone = steps_a_second(stepper, iter(lambda: same, None), placement.device, options.seconds)
    with closing(feed(range(_MANY))) as source, closing(prefetched(source, placement.device)) as batches:  # pyright: ignore[reportArgumentType]
        together = steps_a_second(stepper, batches, placement.device, options.seconds)
    size = settings.batch_size
    print(f"| {name} | {alone * size:,.0f} | {together * size:,.0f} |", flush=True)
    if options.parts and isinstance(task, PasdTask):
        show_parts(task, stepper, same, placement.device)
    if options.profile:
        show_profile(stepper, same, placement.device)


def batches_alone(feed: Feed, device: torch.device, seconds: float) -> float:
    """Crops a second when nothing is done with them."""
    crops, began = 0, None
    for number, made in zip(count(), feed(range(_MANY)), strict=False):
        if number == _WARM_UP_STEPS:
            wait_for(device)
            began = time.perf_counter()
        elif began is not None:
            crops += len(made.numbers)
            wait_for(device)
            if time.perf_counter() - began > seconds:
                return crops / (time.perf_counter() - began)
    raise AssertionError("a feed of so many batches has no end")


def steps_a_second(stepper: Stepper, batches: Iterator[NumberedBatch], device: torch.device, seconds: float) -> float:
    """Optimizer steps of one batch each; the device is waited for at both ends only."""
    for step in range(_WARM_UP_STEPS):
        stepper.step(step, [next(batches)])
    wait_for(device)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        stepper.step(_WARM_UP_STEPS + steps, [next(batches)])
        steps += 1
    wait_for(device)
    return steps / (time.perf_counter() - began)


def show_profile(stepper: Stepper, made: NumberedBatch, device: torch.device) -> None:
    """The operations of some steps that took longest."""
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as seen:
        for step in range(_PROFILED_STEPS):
            stepper.step(step, [made])
        wait_for(device)
    order = "self_cuda_time_total" if cuda else "self_cpu_time_total"
    print(seen.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60))


def wait_for(device: torch.device) -> None:
    """Until everything queued on a GPU is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="YAML file of a training")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings in place of the file's")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    parser.add_argument("--ways", nargs="+", choices=list(_WAYS), default=list(_WAYS), help="what is compared")
    parser.add_argument("--parts", action="store_true", help="also print the time of each network alone")
    parser.add_argument("--profile", action="store_true", help="also print the operations that took longest")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    main()
