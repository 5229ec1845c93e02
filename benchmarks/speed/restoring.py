"""The whole restorer, its denoiser alone, the parts around it, and a plain loop over the same networks."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from denoise import Case, make_work, plain_loop

from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd import pipeline, postprocessing
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.models import Models
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.tiled_features import TiledFeatures
from speed.calls import call_teraflop
from speed.pictures import photograph
from speed.rows import Row
from speed.timing import peak_memory, timed, watched

_MOST_TOGETHER = 16
"""Most photos in a call; a photo here is one tile."""

_WHOLE = 1024
"""A tile size that no photo here exceeds."""

_OUTERMOST = 0.09
"""Operations of a step between whole ones, in those of a whole one (`benchmarks/few_steps.py work`)."""

_AROUND = {
    "entering": (pipeline.Pipeline, "_prepare"),
    "noise and encode": (pipeline.Pipeline, "_start"),
    "condition": (pipeline, "condition"),
    "denoise": (pipeline, "denoise"),
    "decode": (TiledFeatures, "whole"),
    "soundness": (postprocessing, "measure_soundness"),
    "to main memory": (postprocessing, "start_copy_to_host"),
    "colour fix": (postprocessing, "fix_color"),
}


@dataclass(frozen=True)
class Sampling:
    """A way of sampling that is measured."""

    steps: int
    guidance_scale: float
    step_cache: int = 1

    @property
    def whole_steps(self) -> float:
        """Operations of the networks, in whole steps."""
        whole = -(-self.steps // self.step_cache)
        return whole + _OUTERMOST * (self.steps - whole)

    @property
    def guided(self) -> bool:
        """True if there is a negative half."""
        return self.guidance_scale > 1

    def __str__(self) -> str:
        cache = f", step_cache {self.step_cache}" if self.step_cache > 1 else ""
        return f"{self.steps} {'guided' if self.guided else 'unguided'} steps{cache}"

    def settings(self, side: int, tile_batch: int) -> SamplingSettings:
        """Settings that restore photos of this side at their own size, so many of them in a call."""
        return SamplingSettings(
            scale=1.0,
            min_short_side=side,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            step_cache=self.step_cache,
            prompt="a photo",
            tiling=TilingSettings(tile_batch=tile_batch),
        )


def restoring_rows(
    models: Models, side: int, count: int, sampling: Sampling, repeats: int, setting: str = ""
) -> Iterator[Row]:
    """Two rows: the whole restorer, and the denoiser's part of it."""
    restorer = Restorer(models, RestorationSettings(sampling=sampling.settings(side, min(count, _MOST_TOGETHER))))
    photos = [photograph(side).roll(17 * number, dims=2) for number in range(count)]

    batches: set[int] = set()

    def restore() -> None:
        outcomes = restorer.restore(photos, prompts=["a photo"] * count, seeds=list(range(count)))
        for each in outcomes:
            if not isinstance(each, Restoration) or each.report.float32_retry:
                raise SystemExit(f"the random networks gave no picture: {each}")
            batches.add(each.report.tile_batch)

    memory = peak_memory(restore, models.device)
    whole = min(timed(restore, models.device) for _ in range(repeats)) / count
    with watched(models.device, _AROUND) as spent:
        timed(restore, models.device)
    denoising = spent["denoise"] / count
    teraflop = sampling.whole_steps * call_teraflop(models, side // LATENT_FACTOR, guided=sampling.guided)
    parts = {name: seconds / count for name, seconds in spent.items()}
    case = f"{side}x{side}, {sampling}"
    outside = f"{max(0.0, 1 - denoising / whole):.0%} outside the denoiser; batches of {max(batches)}"
    yield Row(case, "whole restorer" + setting, count, whole, teraflop / whole, memory, outside, parts)
    others = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in parts.items() if name != "denoise")
    yield Row(
        case,
        "denoiser alone" + setting,
        count,
        denoising,
        teraflop / denoising,
        None,
        f"beside it, ms a photo: {others}",
    )


def plain_rows(models: Models, side: int, sampling: Sampling) -> Iterator[Row]:
    """What a script around the two networks takes for the denoiser's part, one photo at a time."""
    options = argparse.Namespace(photos=1, steps=sampling.steps)
    with torch.inference_mode():
        work = make_work(models, Case("plain", side, sampling.guidance_scale, _WHOLE), options)
        memory = peak_memory(lambda: plain_loop(models, work), models.device)
        seconds = timed(lambda: plain_loop(models, work), models.device)
    teraflop = sampling.steps * call_teraflop(models, side // LATENT_FACTOR, guided=True)
    yield Row(f"{side}x{side}, {sampling}", "plain loop, denoiser alone", 1, seconds, teraflop / seconds, memory)
