"""One pass of PASD over several photos: encode, condition, denoise, decode, postprocess."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd import padding
from pasd_batch.pasd.conditioning import EmbeddingsOnDemand, condition
from pasd_batch.pasd.device import synchronize
from pasd_batch.pasd.differential_diffusion import KeptLatents
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.memory import MemoryBudget, MemoryLimits
from pasd_batch.pasd.models import Models
from pasd_batch.pasd.noise_draws import NoiseDraws
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule, noise_level, pure_noise_start
from pasd_batch.pasd.padded_photo import PaddedPhoto
from pasd_batch.pasd.postprocessing import PostprocessedPhoto, Postprocessing, postprocess
from pasd_batch.pasd.prepared_photo import PreparedPhoto, SamplingStart
from pasd_batch.pasd.prompts import compose_prompt
from pasd_batch.pasd.regions import Map, mask_to_latents, regions_of, settings_of_regions
from pasd_batch.pasd.restoration import PendingRestoration, PhotoRequest, Restoration
from pasd_batch.pasd.sampling import DenoisingPhoto, StepCallback, denoise
from pasd_batch.pasd.schedulers import Scheduler, build_scheduler
from pasd_batch.pasd.step_cache import StepCache
from pasd_batch.pasd.tiled_features import MappedSource, TensorSource
from pasd_batch.pasd.tiling import TileGrid, plan_tiles
from pasd_batch.pasd.vae_runner import VaeRunner
from pasd_batch.pasd.vae_tiling import Posterior
from pasd_batch.records import PhotoFailure, RestorationReport


class Pipeline:
    """PASD with given networks and settings of a batch; its only state is the cache of prompt embeddings."""

    def __init__(self, models: Models, sampling: SamplingSettings) -> None:
        self.models = models
        self.sampling = sampling
        self._guidance_scales = [
            sampling.guidance_scale,
            *(each.guidance_scale for each in settings_of_regions(sampling)),
        ]
        guidance = Guidance(
            max(self._guidance_scales),
            sampling.conditioning_scale,
            sampling.guess_mode,
            sampling.guidance_interval,
            sampling.guidance_rescale,
        )
        self.denoiser = GuidedDenoiser(models.unet, models.control_branch, guidance, models.graphs)
        self.vae = VaeRunner(models.vae, models.vae_tf32, models.graphs)
        scheduler = self._scheduler()
        self._alphas_cumprod = scheduler.alphas_cumprod
        self._first_timestep = int(scheduler.timesteps[0])
        self._first_scale = scheduler.init_noise_sigma

    def noise_schedule(self, sampling: SamplingSettings) -> AdjustableNoiseSchedule:
        """Noise schedule of a photo with these settings.

        Raises:
            ValueError: as `AdjustableNoiseSchedule.from_settings`.
        """
        return AdjustableNoiseSchedule.from_settings(sampling, self._alphas_cumprod)

    @torch.inference_mode()
    def run(
        self, requests: Sequence[PhotoRequest], budget: MemoryBudget, on_step: StepCallback | None = None
    ) -> list[Restoration | PhotoFailure]:
        """Restore photos of any sizes together; unsound results are failures.

        Raises:
            torch.OutOfMemoryError: even the smallest limits of the budget do not fit.
        """
        prepared = [self._prepare(request) for request in requests]
        starts = {number: self._start(each, budget) for number, each in enumerate(prepared)}

        def attempt(limits: MemoryLimits) -> list[tuple[Tensor, TileGrid]]:
            photos = []
            for number, photo in enumerate(prepared):
                # Starts are not kept for a retry, which is rare: latents may be large.
                photos.append(self._condition(photo, starts.pop(number, None) or self._start(photo, budget), limits))
            latents = self._denoise(photos, limits, on_step)
            return [(each, photo.grid) for each, photo in zip(latents, photos, strict=True)]

        denoised = budget.run(attempt, MemoryLimits.smaller_denoising)
        finished = [self._finish(*each, budget) for each in zip(prepared, denoised, strict=True)]
        synchronize(self.models.device)
        return [each.outcome() for each in finished]

    def _prepare(self, request: PhotoRequest) -> PreparedPhoto:
        sizes = padding.choose_sizes(
            Size.of(request.image),
            scale=self.sampling.scale,
            min_short_side=self.sampling.min_short_side,
            multiple=self.models.pixel_multiple,
        )
        has_maps = request.regions is not None or request.palette is not None
        padded = PaddedPhoto.of(request.image, sizes, self.models.device, is_whole=has_maps)
        return PreparedPhoto(request, sizes, padded, regions_of(request.regions, self.sampling))

    def _start(self, photo: PreparedPhoto, budget: MemoryBudget) -> SamplingStart:
        device, sampling = self.models.device, self.sampling
        draws = NoiseDraws(photo.request.seed, self.models.vae.config["latent_channels"], photo.latents)
        regions = photo.request.regions
        share = None if regions is None else regions.mask_weight(sampling.feather)
        own, noise = None, draws.posterior().to(device)
        if share is not None or not sampling.pure_noise_start:
            own = budget.run(lambda limits: self._encode(photo.padded, noise, limits), MemoryLimits.smaller_vae)
        del noise  # before the next draw: there are never three tensors of the latents' size
        noise = draws.training_noise()
        kept = None
        if share is not None and own is not None:
            kept = KeptLatents(own.clone(), noise.to(device, copy=True), mask_to_latents(share, photo.sizes).to(device))
        if own is None or sampling.pure_noise_start:
            draws.ans_noise()
            start = pure_noise_start(noise, draws.offset(), offset_noise_scale=sampling.offset_noise_scale)
            start = start.to(device, torch.float32)
        else:
            schedule = self.noise_schedule(photo.request.sampling)
            noised = schedule.add_noise(own, noise.to(device), timestep=self._first_timestep)
            alphas = [each.sampling.alpha_a for each in photo.regions]
            alpha_a = photo.latent_map(schedule.alpha_a, alphas).to(device) if alphas else None
            del noise
            start = schedule.add_ans_noise(noised, draws.ans_noise().to(device), alpha_a=alpha_a)
            draws.offset()
        return SamplingStart(start.mul_(self._first_scale), kept, draws.state())

    def _encode(self, photo: PaddedPhoto, noise: Tensor, limits: MemoryLimits) -> Tensor:
        """Sample of the VAE's posterior over the photo's latents, float32."""
        latent = torch.empty_like(noise, dtype=torch.float32)
        pixels = MappedSource(photo, lambda part: 2 * part - 1)
        with self.vae.encoding(pixels, tile_size=limits.vae_tile_size) as moments:
            for tile in moments.tiles:
                posterior = Posterior.of(moments.part(tile).to(noise.device))
                tile.crop(latent).copy_(posterior.sample(tile.crop(noise), self._scaling_factor))
        return latent

    def _embeddings(self, photo: PaddedPhoto, grid: TileGrid) -> Tensor | EmbeddingsOnDemand:
        removal = self.models.control_branch.controlnet_cond_embedding
        if photo.whole is not None:
            return condition(removal, photo.whole.to(self.models.dtype), grid)
        return EmbeddingsOnDemand(removal, MappedSource(photo, lambda part: part.to(self.models.dtype)), grid)

    def _condition(self, photo: PreparedPhoto, start: SamplingStart, limits: MemoryLimits) -> DenoisingPhoto:
        grid = plan_tiles(Size.of(start.latents), self._tiling(limits))
        negative = self._negative_prompt
        generator = Generator()
        generator.set_state(start.generator_state)
        return DenoisingPhoto(
            start=start.latents,
            grid=grid,
            embeddings=self._embeddings(photo.padded, grid),
            prompt=self._text_states(self._whole_prompt(photo.request)),
            negative_prompt=None if negative is None else self._text_states(negative),
            generator=generator,
            kept=start.kept,
            guidance=self._guidance(photo),
        )

    def _guidance(self, photo: PreparedPhoto) -> Map | None:
        """Map of the guidance scale; None if no region of these settings has its own."""
        if len({*self._guidance_scales}) == 1:
            return None
        base, *_ = self._guidance_scales
        scales = photo.latent_map(base, [each.sampling.guidance_scale for each in photo.regions])
        return scales.clamp(min=1.0).to(self.models.device)

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
            is_guided=lambda timestep: self.denoiser.guidance.acts_at(noise_level(self._alphas_cumprod, timestep)),
            eta=self.sampling.scheduler_options.eta,
            on_step=on_step,
        )

    def _finish(
        self, photo: PreparedPhoto, denoised: tuple[Tensor, TileGrid], budget: MemoryBudget
    ) -> PendingRestoration:
        latents, grid = denoised
        unscaled = MappedSource(TensorSource(latents, self.models.device), lambda part: part / self._scaling_factor)
        postprocessing = Postprocessing(photo, grid)

        def decode(limits: MemoryLimits) -> PostprocessedPhoto:
            with self.vae.decoding(unscaled, tile_size=limits.vae_tile_size) as decoded:
                return postprocess(decoded, postprocessing)

        made = budget.run(decode, MemoryLimits.smaller_vae)
        prompt = self._whole_prompt(photo.request)
        return PendingRestoration(
            made.image,
            made.soundness,
            prompt,
            self._report(photo.request.sampling, grid, budget),
            self.models.prompt_encoder.warnings(prompt, self._negative_prompt),
            made.weakness,
        )

    def _report(self, sampling: SamplingSettings, grid: TileGrid, budget: MemoryBudget) -> RestorationReport:
        return RestorationReport(
            steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
            conditioning_scale=sampling.conditioning_scale,
            fidelity=sampling.fidelity,
            kept_frequencies=sampling.kept_frequencies,
            alpha_a=None if sampling.pure_noise_start else self.noise_schedule(sampling).alpha_a,
            negative_prompt=self._negative_prompt,
            tiles=len(grid.tiles),
            tile_size=budget.limits.tile_size,
            tile_batch=budget.limits.tiles_together(grid.tile_size),
            out_of_memory_retries=budget.retries,
            float32_retry=False,
        )

    @property
    def _negative_prompt(self) -> str | None:
        """None when guidance is off."""
        return self.sampling.negative_prompt if self.denoiser.guidance.is_active else None

    def _whole_prompt(self, request: PhotoRequest) -> str:
        sampling = self.sampling
        return compose_prompt(request.prompt, trigger_words=sampling.trigger_words, suffix=sampling.added_prompt)

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
