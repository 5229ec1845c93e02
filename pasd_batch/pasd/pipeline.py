"""One pass of PASD over several photos: encode, condition, denoise, decode, correct the colours."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.config.restoration import SamplingSettings
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd import framing
from pasd_batch.pasd.color_fix import fix_color
from pasd_batch.pasd.color_reference import with_palette
from pasd_batch.pasd.conditioning import condition
from pasd_batch.pasd.device import start_copy_to_host, wait_for
from pasd_batch.pasd.framing import Frame, Image
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.kept_frequencies import keep_frequencies
from pasd_batch.pasd.memory import MemoryBudget, MemoryLimits
from pasd_batch.pasd.models import Models
from pasd_batch.pasd.noise_draws import NoiseDraws
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule, pure_noise_start
from pasd_batch.pasd.prompts import compose_prompt
from pasd_batch.pasd.restoration import Finished, PhotoRequest, Restoration
from pasd_batch.pasd.running_vae import RunningVae
from pasd_batch.pasd.sampling import DenoisingPhoto, StepCallback, denoise
from pasd_batch.pasd.schedulers import Scheduler, build_scheduler
from pasd_batch.pasd.soundness import measure_soundness
from pasd_batch.pasd.step_cache import StepCache
from pasd_batch.pasd.tiling import TileGrid, plan_tiles
from pasd_batch.records import PhotoFailure, RestorationReport

_MOST_PIXELS_ON_DEVICE = 16_000_000
"""Above it colour fix and resampling, which need some twelve float32 copies of the picture, run in main memory."""


class Pipeline:
    """PASD with given networks and settings; keeps nothing between photos but the text states of prompts."""

    def __init__(self, models: Models, sampling: SamplingSettings) -> None:
        self.models = models
        self.sampling = sampling = sampling.at_fidelity()
        guidance = Guidance(
            sampling.guidance_scale,
            sampling.conditioning_scale,
            sampling.guess_mode,
            sampling.guidance_interval,
            sampling.guidance_rescale,
        )
        self.denoiser = GuidedDenoiser(models.unet, models.control_branch, guidance, models.graphs)
        self.vae = RunningVae(models.vae, models.vae_tf32, models.graphs)
        scheduler = self._scheduler()
        self.noise_schedule = AdjustableNoiseSchedule.from_settings(sampling, scheduler.alphas_cumprod)
        self._first_timestep = int(scheduler.timesteps[0])
        self._first_scale = scheduler.init_noise_sigma

    @torch.inference_mode()
    def run(
        self, requests: Sequence[PhotoRequest], budget: MemoryBudget, on_step: StepCallback | None = None
    ) -> list[Restoration | PhotoFailure]:
        """Restore photos of any sizes together; a failure is a picture that cannot be a restored photo.

        Raises:
            torch.OutOfMemoryError: even the smallest limits of the budget do not fit.
        """
        framed = [self._enter(request) for request in requests]
        draws = [self._draw(request, image) for request, image in zip(requests, framed, strict=True)]
        starts = [self._start(image, drawn, budget) for image, drawn in zip(framed, draws, strict=True)]

        def attempt(limits: MemoryLimits) -> list[tuple[Tensor, TileGrid]]:
            parts = zip(requests, framed, draws, starts, strict=True)
            photos = [self._condition(*each, limits) for each in parts]
            latents = self._denoise(photos, limits, on_step)
            return [(each, photo.grid) for each, photo in zip(latents, photos, strict=True)]

        denoised = budget.run(attempt, MemoryLimits.smaller_denoising)
        finished = [self._finish(*each, budget) for each in zip(requests, framed, denoised, strict=True)]
        wait_for(self.models.device)
        return [each.outcome() for each in finished]

    def _enter(self, request: PhotoRequest) -> Image:
        sizes = self._frame(request)
        photo = request.image.to(self._place_for(max(sizes.original.area, sizes.padded.area)))
        return framing.enter(photo, sizes).to(self.models.device)

    def _place_for(self, pixels: int) -> torch.device:
        """Device for what works on a whole picture."""
        return torch.device("cpu") if pixels > _MOST_PIXELS_ON_DEVICE else self.models.device

    def _frame(self, request: PhotoRequest) -> Frame:
        return framing.frame(
            Size.of(request.image),
            scale=self.sampling.scale,
            min_short_side=self.sampling.min_short_side,
            multiple=self.models.pixel_multiple,
        )

    def _draw(self, request: PhotoRequest, framed: Image) -> NoiseDraws:
        padded = Size.of(framed)
        latent_size = Size(padded.height // LATENT_FACTOR, padded.width // LATENT_FACTOR)
        return NoiseDraws.from_seed(request.seed, self.models.vae.config["latent_channels"], latent_size)

    def _start(self, framed: Image, draws: NoiseDraws, budget: MemoryBudget) -> Tensor:
        device = self.models.device
        if self.sampling.pure_noise_start:
            start = pure_noise_start(draws.first, draws.offset, offset_noise_scale=self.sampling.offset_noise_scale)
            start = start.to(device)
        else:
            posterior = budget.run(
                lambda limits: self.vae.encode(2 * framed - 1, tile_size=limits.vae_tile_size),
                MemoryLimits.smaller_vae,
            )
            latent = posterior.sample(draws.posterior.to(device), self._scaling_factor).float()
            start = self.noise_schedule.start(
                latent, draws.first.to(device), draws.second.to(device), timestep=self._first_timestep
            )
        return start * self._first_scale

    def _condition(
        self, request: PhotoRequest, framed: Image, draws: NoiseDraws, start: Tensor, limits: MemoryLimits
    ) -> DenoisingPhoto:
        grid = plan_tiles(Size.of(start), self._tiling(limits))
        removal = self.models.control_branch.controlnet_cond_embedding
        negative = self.sampling.negative_prompt if self.denoiser.guidance.is_active else None
        generator = Generator()
        generator.set_state(draws.later)
        return DenoisingPhoto(
            start=start,
            grid=grid,
            embeddings=condition(removal, framed.to(self.models.dtype), grid),
            prompt=self._text_states(self._whole_prompt(request)),
            negative_prompt=None if negative is None else self._text_states(negative),
            generator=generator,
        )

    def _denoise(
        self, photos: Sequence[DenoisingPhoto], limits: MemoryLimits, on_step: StepCallback | None
    ) -> list[Tensor]:
        interval = self.sampling.step_cache
        return denoise(
            self.denoiser if interval == 1 else StepCache(self.denoiser, interval),
            photos,
            self._scheduler,
            tile_batch=limits.tiles_together,
            fill_batches=self.sampling.tiling.fill_batches,
            dtype=self.models.dtype,
            guides=lambda timestep: self.denoiser.guidance.acts_at(self.noise_schedule.noise_level(timestep)),
            eta=self.sampling.scheduler_options.eta,
            on_step=on_step,
        )

    def _finish(
        self, request: PhotoRequest, framed: Image, denoised: tuple[Tensor, TileGrid], budget: MemoryBudget
    ) -> Finished:
        latents, grid = denoised
        scaled = latents / self._scaling_factor
        decoded = budget.run(
            lambda limits: self.vae.decode(scaled, tile_size=limits.vae_tile_size), MemoryLimits.smaller_vae
        )
        sizes = self._frame(request)
        device = self._place_for(sizes.working.area)
        restored = framing.leave(decoded.to(device).float() / 2 + 0.5, sizes)
        source = framing.leave(framed.to(device), sizes)
        soundness = measure_soundness(restored, source)
        image = fix_color(restored.clamp(0.0, 1.0), source, self.sampling.color_fix).clamp(0.0, 1.0)
        kept = self.sampling.kept_frequencies * sizes.original.width / sizes.working.width
        image = keep_frequencies(image, source, kept).clamp(0.0, 1.0)
        if request.palette is not None:
            image = with_palette(image, request.palette).clamp(0.0, 1.0)
        image = framing.resize(image, sizes.target)
        if image.device.type == "cuda":
            # In the order of files, into which the processor would take ten times as long to bring it.
            image = image.contiguous(memory_format=torch.channels_last)
        prompt = self._whole_prompt(request)
        return Finished(
            start_copy_to_host(image),
            start_copy_to_host(soundness),
            prompt,
            self._report(grid, budget),
            self._unread(prompt),
        )

    def _report(self, grid: TileGrid, budget: MemoryBudget) -> RestorationReport:
        sampling = self.sampling
        return RestorationReport(
            steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
            conditioning_scale=sampling.conditioning_scale,
            fidelity=sampling.fidelity,
            kept_frequencies=sampling.kept_frequencies,
            alpha_a=None if sampling.pure_noise_start else self.noise_schedule.alpha_a,
            negative_prompt=sampling.negative_prompt if self.denoiser.guidance.is_active else None,
            tiles=len(grid.tiles),
            tile_size=budget.limits.tile_size,
            tile_batch=budget.limits.tiles_together(grid.tile_size),
            out_of_memory_retries=budget.retries,
            float32_retry=False,
        )

    def _whole_prompt(self, request: PhotoRequest) -> str:
        sampling = self.sampling
        return compose_prompt(request.prompt, trigger_words=sampling.trigger_words, suffix=sampling.added_prompt)

    def _unread(self, prompt: str) -> tuple[str, ...]:
        if prompt and not self.models.prompt_encoder.reads_words:
            return ("its prompt changes nothing, as the model reads no words; restore it with one that does",)
        texts = {"prompt": prompt}
        if self.denoiser.guidance.is_active:
            texts["negative prompt"] = self.sampling.negative_prompt
        unread = {name: self.models.prompt_encoder.unread(text) for name, text in texts.items()}
        return tuple(
            f"its {name} is longer than the text encoder reads; shorten it, or this is lost: {words!r}"
            for name, words in unread.items()
            if words
        )

    def _text_states(self, prompt: str) -> Float[Tensor, "words text_channels"]:
        return self.models.prompt_encoder.encode(prompt).to(self.models.device, self.models.dtype)

    def _scheduler(self) -> Scheduler:
        sampling = self.sampling
        config = self.models.scheduler_config
        return build_scheduler(sampling.scheduler, config, sampling.steps, sampling.scheduler_options)

    def _tiling(self, limits: MemoryLimits) -> TilingSettings:
        overlap = min(self.sampling.tiling.overlap, limits.tile_size // 2)
        return self.sampling.tiling.model_copy(update={"tile_size": limits.tile_size, "overlap": overlap})

    @property
    def _scaling_factor(self) -> float:
        return self.models.vae.config["scaling_factor"]
