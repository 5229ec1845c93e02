"""A restorer and a scorer that are real, deterministic and quick: bicubic enlargement with a little seeded noise.

In a module of its own, because worker processes load them by name.
"""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import GifImagePlugin

from pasd_batch.batch.worker.models import ModelLoaders, load_describers
from pasd_batch.config.run import RunMode
from pasd_batch.records import PhotoFailure, RestorationReport, Score, ScoreColumn, Stage

DEADLY = "end this process"
FAILING = "raise"
REFUSED = "refuse"
SLOWLY = "be slow"


REPORT = RestorationReport(
    steps=5,
    guidance_scale=1.0,
    conditioning_scale=1.0,
    kept_frequencies=0.0,
    alpha_a=0.5,
    negative_prompt=None,
    tiles=1,
    tile_batch=1,
    tile_size=96,
    out_of_memory_retries=0,
    float32_retry=False,
)


@dataclass(frozen=True)
class Restored:
    image: Any
    prompt: str
    report: RestorationReport = REPORT
    warnings: tuple[str, ...] = ()
    earlier: tuple[Any, ...] = ()


class TinyRestorer:
    """Bicubic enlargement plus noise from the photo's seed; some prompts make it misbehave."""

    def __init__(self, scale, seconds=0.0, passes_before=0):
        self._passes_before = passes_before
        self._scale = scale
        self._seconds = seconds
        self.batches = []

    def restore(self, photos, *, prompts, seeds, samplings=None, palettes=None, regions=None, on_step=None):
        self.batches.append(len(photos))
        if FAILING in prompts:
            raise RuntimeError("this photo cannot be restored")
        scales = [self._scale for _ in photos] if samplings is None else [each.scale for each in samplings]
        return [self._one(*each, on_step) for each in zip(photos, prompts, seeds, scales, strict=True)]

    def _one(self, photo, prompt, seed, scale, on_step):
        if prompt == DEADLY:
            os._exit(17)
        if prompt == REFUSED:
            return PhotoFailure(Stage.RESTORE, "OutOfMemoryError", "does not fit, even one tile at a time")
        for step in range(5):
            time.sleep(1.0 if prompt == SLOWLY else self._seconds / 5)
            if on_step:
                on_step(step + 1, 5)
        size = [max(1, round(side * scale)) for side in photo.shape[1:]]
        large = torch.nn.functional.interpolate(photo[None], size=size, mode="bicubic")[0]
        noise = torch.randn(large.shape, generator=torch.Generator().manual_seed(seed))
        image = (large + 0.01 * noise).clamp(0, 1)
        return Restored(image, f"{prompt}, clean", earlier=(1 - photo,) * self._passes_before)


class TinyScorer:
    """Contrast before and after, and the mean difference to a reference."""

    columns = (
        ScoreColumn("contrast_input", higher_is_better=True),
        ScoreColumn("contrast_output", higher_is_better=True),
        ScoreColumn("difference_reference", higher_is_better=False),
    )

    def score(self, photo, restored, reference):
        def contrast(pixels):
            return None if pixels is None else float(np.std(pixels))

        judged = photo if restored is None else restored
        difference = None if reference is None else float(abs(judged.mean() - reference.mean()))
        return [
            Score("contrast_input", contrast(photo)),
            Score("contrast_output", contrast(restored)),
            Score("difference_reference", difference, None if reference is not None else "no reference"),
        ]


def load_restorer(settings):
    torch.set_num_threads(1)
    if settings.mode is not RunMode.RESTORE:
        return None
    return TinyRestorer(settings.restoration.sampling.scale, passes_before=settings.stored_passes)


def load_slow_restorer(settings):
    torch.set_num_threads(1)
    return TinyRestorer(settings.restoration.sampling.scale, seconds=0.1)


def load_sluggish_restorer(settings):
    torch.set_num_threads(1)
    return TinyRestorer(settings.restoration.sampling.scale, seconds=0.4)


class HeldRestorer(TinyRestorer):
    """Waits before each photo for as long as the file that `PASD_TEST_HOLD` names is there.

    A number in the file is how many photos each process may restore before it waits.
    """

    _restored = 0

    def _one(self, *arguments):
        while self._restored >= self._free():
            time.sleep(0.1)
        self._restored += 1
        return super()._one(*arguments)

    def _free(self):
        try:
            return int(Path(os.environ["PASD_TEST_HOLD"]).read_text() or "0")
        except FileNotFoundError:
            return math.inf


def load_held_restorer(settings):
    return HeldRestorer(settings.restoration.sampling.scale, seconds=0.1)


def load_scorer(settings):
    return TinyScorer()


class UnhurriedScorer(TinyScorer):
    """Takes its time, so that its process can be killed meanwhile."""

    def score(self, photo, restored, reference):
        time.sleep(0.3)
        return super().score(photo, restored, reference)


def load_unhurried_scorer(settings):
    return UnhurriedScorer()


class Unhurried:
    """Another describer, which takes its time, so that its process can be killed meanwhile."""

    def __init__(self, describer):
        self._describer = describer
        self.name = describer.name

    def describe(self, photos, work):
        time.sleep(0.3)
        return self._describer.describe(photos, work)


def load_unhurried_describers(settings):
    torch.set_num_threads(1)
    return [Unhurried(each) for each in load_describers(settings)]


def fingerprint(settings):
    return "model-fingerprint" if settings.mode.has_model else None


def load_with_deadly_gif_decoder(settings):
    def end_the_process(self):
        os._exit(9)

    GifImagePlugin.GifImageFile._open = end_the_process
    return load_restorer(settings)


def load_nothing(settings):
    raise FileNotFoundError("weights/unet: no such folder; set restoration.model")


def load_missing_metric(settings):
    raise FileNotFoundError("hub/pyiqa/musiq.pth: no such file; set metrics.weights_dir")


def other_fingerprint(settings):
    return "other weights"


TINY = ModelLoaders(load_restorer, load_scorer, fingerprint)
AUDITING = ModelLoaders(load_restorer, load_unhurried_scorer, fingerprint)
DESCRIBING = ModelLoaders(describers=load_unhurried_describers)
REAL = ModelLoaders(scorer=load_scorer)
SLOW = ModelLoaders(load_slow_restorer, load_scorer, fingerprint)
SLUGGISH = ModelLoaders(load_sluggish_restorer, load_scorer, fingerprint)
HELD = ModelLoaders(load_held_restorer, load_scorer, fingerprint)
WITH_DEADLY_DECODER = ModelLoaders(load_with_deadly_gif_decoder, load_scorer, fingerprint)
WITHOUT_WEIGHTS = ModelLoaders(load_nothing, load_scorer, fingerprint)
OTHER_WEIGHTS = ModelLoaders(load_restorer, load_scorer, other_fingerprint)
