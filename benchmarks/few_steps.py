"""Measures presets of fewer steps and evaluations: their cost in quality, and what they save.

    python benchmarks/few_steps.py quality PHOTOS --metric piqe --metric niqe --weights-dir METRICS
    python benchmarks/few_steps.py branch PHOTOS     # how much the control branch's residuals change from step to step
    python benchmarks/few_steps.py work              # of the published size: operations, and seconds on this CPU

`quality` restores photos with the embedded model, each the middle square of --side pixels of a photo in the folder
PHOTOS, degraded by Real-ESRGAN's chain and halved. It prints a Markdown table of means, a line as soon as it is there.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from degraded_photos import degraded_pairs
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pasd_batch import Restorer, RestoreSettings
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.fidelity import psnr
from pasd_batch.metrics.iqa import Metric, build_metrics
from pasd_batch.pasd.control_branch import ControlBranch, ControlResiduals
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch
from pasd_batch.pasd.restorer import Restoration
from pasd_batch.pasd.unet import PixelAwareUNet
from pasd_batch.pasd.untrained import STABLE_DIFFUSION_15, build_networks

FULL = {"steps": 20}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "20 steps": FULL,
    "20 steps, step_cache 2": {**FULL, "step_cache": 2},
    "20 steps, step_cache 3": {**FULL, "step_cache": 3},
    "8 steps": {"steps": 8},
    "4 steps": {"steps": 4},
    "1 step": {"steps": 1},
    "4 steps, LCMScheduler": {"steps": 4, "scheduler": "LCMScheduler"},
    "4 steps, TCDScheduler": {"steps": 4, "scheduler": "TCDScheduler"},
}

Pair = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    measurements = parser.add_subparsers(required=True)
    for name, measure in (("quality", measure_quality), ("branch", measure_branch)):
        own = measurements.add_parser(name)
        own.add_argument("photos", type=Path)
        own.add_argument("--count", type=int, default=12, help="photos, spread over the folder (default 12)")
        own.add_argument("--side", type=int, default=256)
        own.add_argument("--strength", type=float, default=0.5, help="of the degradation, 0 to 1")
        own.add_argument("--metric", action="append", dest="metrics", help="without a reference (default piqe)")
        own.add_argument("--weights-dir", type=Path, help="of the metrics")
        own.set_defaults(measure=measure)
    work = measurements.add_parser("work")
    work.add_argument("--side", type=int, default=64, help="of a tile, in latents (default 64)")
    work.add_argument("--timed-side", type=int, default=32, help="of the tile that is timed; 0: none")
    work.set_defaults(measure=measure_work)
    options = parser.parse_args()
    options.measure(options)


def measure_quality(options: argparse.Namespace) -> None:
    pairs = list(degraded_pairs(options.photos, count=options.count, side=options.side, strength=options.strength))
    chosen = MetricsSettings(
        no_reference=tuple(options.metrics or ["piqe"]), full_reference=(), weights_dir=options.weights_dir
    )
    metrics, _ = build_metrics(chosen)
    names = [metric.name for metric in metrics]
    print(f"{len(pairs)} photos of {options.side} pixels, strength {options.strength:g}\n")
    print("| " + " | ".join(["preset", "dB to 20 steps", "dB to the true photo", *names, "s a photo"]) + " |")
    print("|---|" + "---:|" * (len(names) + 3))
    full: list[np.ndarray] = []
    for name, sampling in PRESETS.items():
        restorer = embedded(sampling)
        started = time.process_time()
        made = [restored(restorer, number, small) for number, (_, small) in enumerate(pairs)]
        seconds = (time.process_time() - started) / len(pairs)
        full = full or made
        scores = np.mean([scored(*each, metrics) for each in zip(made, full, pairs, strict=True)], axis=0)
        print("| " + " | ".join([name, *(f"{each:.2f}" for each in [*scores, seconds])]) + " |", flush=True)


def scored(image: np.ndarray, full: np.ndarray, pair: Pair, metrics: Sequence[Metric]) -> list[float]:
    return [psnr(image, full), psnr(image, pair[0]), *(metric(image) for metric in metrics)]


def embedded(sampling: Mapping[str, Any]) -> Restorer:
    return Restorer.from_settings(RestoreSettings.parse({"sampling": {"scale": 2, **sampling}}))


def restored(restorer: Restorer, seed: int, small: np.ndarray) -> np.ndarray:
    (result,) = restorer.restore([torch.from_numpy(small).permute(2, 0, 1)], prompts=[""], seeds=[seed])
    assert isinstance(result, Restoration), result
    return result.image.permute(1, 2, 0).numpy()


def measure_branch(options: argparse.Namespace) -> None:
    """Change of each residual from one of 20 steps to the next, relative to its size, and what keeping them costs."""
    restorer, cached = embedded(FULL), embedded(PRESETS["20 steps, step_cache 2"])
    changes, costs = [], []
    for number, (_, small) in enumerate(
        degraded_pairs(options.photos, count=options.count, side=options.side, strength=options.strength)
    ):
        seen: list[list[Tensor]] = []
        with hooked(restorer, lambda residuals, seen=seen: seen.append(flat(residuals))):
            full = restored(restorer, number, small)
        changes.append(
            [[float((b - a).norm() / a.norm()) for a, b in zip(*two, strict=True)] for two in pairwise(seen)]
        )
        with hooked(restorer, EverySecond()):
            kept = restored(restorer, number, small)
        costs.append([psnr(each, full) for each in (kept, restored(cached, number, small))])
    means = np.mean(changes, axis=0)
    print("| step | " + " | ".join([*(f"residual {n}" for n in range(means.shape[1] - 1)), "middle"]) + " |")
    print("|---:|" + "---:|" * means.shape[1])
    for step, row in enumerate(means, start=2):
        print(f"| {step} | " + " | ".join(f"{each:.1%}" for each in row) + " |")
    branch, cache = np.mean(costs, axis=0)
    print(f"residuals of every second step kept: {branch:.1f} dB to 20 whole steps; step_cache 2: {cache:.1f} dB")


class EverySecond:
    """Residuals of the step before in the place of every second one's."""

    def __init__(self) -> None:
        self.kept: ControlResiduals | None = None

    def __call__(self, residuals: ControlResiduals) -> ControlResiduals | None:
        found, self.kept = self.kept, None if self.kept else residuals
        return found


@contextmanager
def hooked(restorer: Restorer, see: Callable[[ControlResiduals], ControlResiduals | None]) -> Iterator[None]:
    """Residuals are shown to a function, and replaced by what it gives, for photos of one tile."""
    hook = restorer.models.control_branch.register_forward_hook(
        lambda _module, _inputs, residuals: see(cast(ControlResiduals, residuals))
    )
    yield
    hook.remove()


def flat(residuals: ControlResiduals) -> list[Tensor]:
    return [each.flatten() for each in (*residuals.skips, residuals.middle)]


@torch.inference_mode()
def measure_work(options: argparse.Namespace) -> None:
    """Whole call against outermost layers, of one half of a tile."""
    with torch.device("meta"):
        unet, branch = build_networks(STABLE_DIFFUSION_15)
    counted = {name: operations(call) for name, call in calls(unet, branch, options.side, "meta").items()}
    whole = counted["whole"]
    for name, count in counted.items():
        print(f"{name}: {count / 1e9:.0f} GFLOP, {count / whole:.1%} of the whole")
    if not options.timed_side:
        return
    torch.set_flush_denormal(True)
    for network in (unet, branch):
        network.to_empty(device="cpu").eval()
        for parameter in network.parameters():
            parameter.fill_(0.01)
    timed = {name: seconds(call) for name, call in calls(unet, branch, options.timed_side, "cpu").items()}
    for name, taken in timed.items():
        print(f"{name}: {taken:.2f} s, {taken / timed['whole']:.1%} of the whole")


def calls(unet: PixelAwareUNet, branch: ControlBranch, side: int, device: str) -> dict[str, Callable[[], Tensor]]:
    """A whole call and its two parts."""
    tile = torch.ones(1, 4, side, side, device=device)
    embedding = torch.ones(1, 320, side, side, device=device)
    batch = TileBatch(tile, embedding, torch.ones(1, 77, 768, device=device), None)
    denoiser = GuidedDenoiser(unet, branch, Guidance(1.0))
    deep = torch.ones(1, 320, side, side, device=device)
    return {
        "whole": lambda: denoiser(batch, 500),
        "deep": lambda: denoiser.deep_features(batch, 500),
        "control branch": lambda: branch(tile, 500, batch.prompts, embedding).middle,
        "outermost": lambda: denoiser.predict_from(deep, batch, 500),
    }


def operations(call: Callable[[], Tensor]) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def seconds(call: Callable[[], Tensor]) -> float:
    call()
    taken = []
    for _ in range(2):
        started = time.process_time()
        call()
        taken.append(time.process_time() - started)
    return min(taken)


if __name__ == "__main__":
    main()
