"""The restorer: restores batches of photos, with recovery from memory errors and unsound results."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from pasd_batch.config.restoration import PassSettings, RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.adaptation import adapt_settings, with_severity
from pasd_batch.pasd.color_reference import Palette
from pasd_batch.pasd.colorization import color_prompt, to_gray
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.memory import MemoryBudget, MemoryLimits, is_out_of_memory
from pasd_batch.pasd.models import Models, load_models
from pasd_batch.pasd.pipeline import Pipeline
from pasd_batch.pasd.pixel_dtypes import from_float, problem_with_pixels, to_float
from pasd_batch.pasd.regions import PhotoRegions
from pasd_batch.pasd.restoration import PhotoRequest, Restoration, less_weak
from pasd_batch.pasd.sampling import StepCallback
from pasd_batch.pasd.tile_batch import saturating_tile_batch
from pasd_batch.pasd.warm_up import warm_up
from pasd_batch.records import PhotoFailure, Stage

logger = logging.getLogger(__name__)

_PIPELINES = 64
"""Largest number of cached pipelines; photos may have settings of their own."""


class Restorer:
    """PASD for one pass over photos; build it once, then restore many."""

    def __init__(self, models: Models, settings: PassSettings) -> None:
        if isinstance(settings, RestorationSettings) and settings.passes:
            raise ValueError(
                "these settings have several passes; load them with pasd_batch.pasd.passes.MultiPassRestorer"
            )
        self.models = models
        self.settings = settings
        self._pipelines: dict[SamplingSettings, Pipeline] = {}
        # Raises now if the scheduler or noise level does not exist.
        self._pipeline(settings.sampling).noise_schedule(settings.sampling.at_fidelity())

    @classmethod
    def from_settings(cls, settings: PassSettings) -> "Restorer":
        """Load the networks that the settings name, and compile them for whole tiles if `model.compile` is set.

        Raises:
            CheckpointError: a model folder is missing or does not hold what it should.
            ValueError: device, scheduler or noise level do not exist, or the settings have several passes.
        """
        restorer = cls(load_models(settings.model), settings)
        restorer.warm_up()
        return restorer

    def warm_up(self) -> None:
        """Compile the networks for whole tiles, if `model.compile` is set."""
        if self.settings.model.compile:
            warm_up(self.models, self._pipeline(self.settings.sampling).denoiser.guidance, self._limits())

    def restore(
        self,
        photos: Sequence[Tensor],
        *,
        prompts: Sequence[str],
        seeds: Sequence[int],
        samplings: Sequence[SamplingSettings] | None = None,
        palettes: Sequence[Palette | None] | None = None,
        regions: Sequence[PhotoRegions | None] | None = None,
        on_step: StepCallback | None = None,
    ) -> list[Restoration | PhotoFailure]:
        """Restore photos of any sizes, in their order; a photo's result does not depend on its neighbours.

        Args:
            photos: (3, height, width), sRGB, on the CPU, from 1x1 up: float32 in [0, 1], or uint8 or uint16, which take
                less memory; results have the same type. Others become failures.
            prompts: one per photo, without the quality suffix; an empty one stays empty.
            seeds: one per photo.
            samplings: settings of each photo; None: the restorer's for all. Photos whose settings differ in noise level
                and kept frequencies alone are sampled together. With `adapt`, settings depend on the photo's estimates.
            palettes: palettes of the photos' colour references, None for photos without one; None: for no photo.
            regions: masks and regions of the photos, as `palettes`.
            on_step: called after every batch of tiles with the number of steps done, a share of the present one among
                them, and the total.
        """
        if isinstance(prompts, str) or not len(photos) == len(prompts) == len(seeds):
            counts = f"{len(photos)} photos, {len(prompts)} prompts and {len(seeds)} seeds"
            raise ValueError(f"{counts}; give lists with a prompt and a seed for each photo")
        samplings = [self.settings.sampling for _ in photos] if samplings is None else samplings
        palettes = [None for _ in photos] if palettes is None else palettes
        regions = [None for _ in photos] if regions is None else regions
        outcomes: dict[int, Restoration | PhotoFailure] = {}
        severities: dict[int, float | None] = {}
        groups: dict[SamplingSettings, dict[int, PhotoRequest]] = {}
        given = zip(photos, prompts, seeds, samplings, strict=True)
        for number, (photo, prompt, seed, sampling) in enumerate(given):
            problem = problem_with_pixels(photo)
            if problem is None:
                sampling, severities[number] = adapt_settings(photo, sampling)
                request = _request(photo, prompt, seed, sampling, palettes[number], regions[number])
                groups.setdefault(sampling.of_batch, {})[number] = request
            else:
                outcomes[number] = PhotoFailure(Stage.RESTORE, "InvalidPhoto", problem)
        for sampling, requests in groups.items():
            restored = self._restored(list(requests.values()), sampling, on_step)
            for (number, request), outcome in zip(requests.items(), restored, strict=True):
                left = _composite_unmasked(request, outcome)
                outcomes[number] = with_severity(left, severities[number])
        return [outcomes[number] for number in range(len(photos))]

    def _restored(
        self, requests: Sequence[PhotoRequest], sampling: SamplingSettings, on_step: StepCallback | None
    ) -> list[Restoration | PhotoFailure]:
        """Restore photos, those with weak tiles a second time with another seed; as a whole, which makes no seams."""
        outcomes = self._restore_together(requests, sampling, on_step)
        weak = {n: first for n, first in enumerate(outcomes) if isinstance(first, Restoration) and first.is_weak}
        if weak:
            seconds = self._restore_together(
                [requests[number].with_second_seed() for number in weak], sampling, on_step
            )
            for (number, first), second in zip(weak.items(), seconds, strict=True):
                outcomes[number] = less_weak(first, second)
        return outcomes

    def _restore_together(
        self, requests: Sequence[PhotoRequest], sampling: SamplingSettings, on_step: StepCallback | None
    ) -> list[Restoration | PhotoFailure]:
        budget = MemoryBudget(self._limits(), shared=len(requests) > 1, make_room=self._release_graphs)
        results = None
        try:
            results = self._pipeline(sampling).run(requests, budget, on_step)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(requests) == 1:
                return [self._out_of_memory(requests[0], sampling, budget, error)]
        if results is None:
            # Outside the handler, where the failed attempt's tensors are no longer referenced.
            logger.warning("out of memory with %d photos together; restoring them one by one", len(requests))
            return [self._restore_together([request], sampling, on_step)[0] for request in requests]
        return [self._retry_unsound(*each, sampling, budget) for each in zip(requests, results, strict=True)]

    def _retry_unsound(
        self,
        request: PhotoRequest,
        outcome: Restoration | PhotoFailure,
        sampling: SamplingSettings,
        budget: MemoryBudget,
    ) -> Restoration | PhotoFailure:
        """The outcome if it is sound, else that of a retry in float32."""
        if isinstance(outcome, Restoration):
            return outcome
        if self.models.is_float32:
            return _unsound(outcome)
        logger.warning("%s in %s; restoring this photo again in float32", outcome.message, self.models.dtype)
        budget = MemoryBudget(replace(budget.limits), budget.retries)
        try:
            with self.models.in_float32() as models:
                (again,) = Pipeline(models, sampling).run([request], budget)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            note = f"{outcome.message} in {self.models.dtype}, and in float32 "
            return self._out_of_memory(request, sampling, budget, error, note)
        if isinstance(again, PhotoFailure):
            return _unsound(again)
        return replace(again, report=replace(again.report, float32_retry=True))

    def _pipeline(self, sampling: SamplingSettings) -> Pipeline:
        shared = sampling.of_batch
        if shared not in self._pipelines:
            if len(self._pipelines) >= _PIPELINES:
                self._pipelines.clear()
            self._pipelines[shared] = Pipeline(self.models, shared)
        return self._pipelines[shared]

    def _release_graphs(self) -> bool:
        return self.models.graphs is not None and self.models.graphs.release_for_memory()

    def _limits(self) -> MemoryLimits:
        tiling, models = self.settings.sampling.tiling, self.models
        tile_batch, scales = tiling.tile_batch or 1, False
        if tiling.tile_batch is None and models.device.type == "cuda":
            width = models.unet.config["block_out_channels"][0]
            tile_batch = saturating_tile_batch(tiling.tile_size, width=width, dtype=models.dtype, device=models.device)
            scales = True
        return MemoryLimits(tiling.tile_size, tile_batch, tiling.vae_tile_size, scales)

    def _out_of_memory(
        self,
        request: PhotoRequest,
        sampling: SamplingSettings,
        budget: MemoryBudget,
        error: RuntimeError,
        note: str = "",
    ) -> PhotoFailure:
        size = Size.of(request.image)
        target = size.scaled(sampling.scale)
        message = (
            f"{note}out of memory on {self.models.device} restoring a photo of {size} to {target}, even with "
            f"{budget.limits} after {budget.retries} retries; use a smaller scale, a smaller photo or a device with "
            f"more memory ({error})"
        )
        return PhotoFailure(Stage.RESTORE, "OutOfMemory", message)


def _request(
    photo: Tensor,
    prompt: str,
    seed: int,
    sampling: SamplingSettings,
    palette: Palette | None,
    regions: PhotoRegions | None,
) -> PhotoRequest:
    if sampling.colorize:
        gray = to_gray(to_float(photo)).clamp(max=1.0)
        photo, prompt = from_float(gray, photo.dtype), color_prompt(prompt)
    return PhotoRequest(photo[None], prompt, seed, sampling.at_fidelity(), palette=palette, regions=regions)


def _composite_unmasked(request: PhotoRequest, outcome: Restoration | PhotoFailure) -> Restoration | PhotoFailure:
    """The outcome composited over the input outside the mask."""
    if request.regions is None or isinstance(outcome, PhotoFailure):
        return outcome
    left = request.regions.composite(to_float(outcome.image), request.sampling.feather)
    return replace(outcome, image=from_float(left, outcome.image.dtype))


def _unsound(failure: PhotoFailure) -> PhotoFailure:
    remedy = "even in float32; check the model files, or restore this photo with other settings"
    return replace(failure, message=f"{failure.message}, {remedy}")
