"""One pass of PASD over several photos: encode, condition, denoise, decode, correct the colours."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.config.restoration import SamplingSettings, TilingSettings
from pasd_batch.pasd import framing, vae_tiling
from pasd_batch.pasd.color_fix import fix_color
from pasd_batch.pasd.conditioning import Conditioning, condition
from pasd_batch.pasd.framing import Frame
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.memory import MemoryBudget, MemoryLimits
from pasd_batch.pasd.models import Models
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule, pure_noise_start
from pasd_batch.pasd.prompts import compose_prompt
from pasd_batch.pasd.sampling import DenoisingPhoto, Scheduler, StepCallback, build_scheduler, denoise
from pasd_batch.pasd.soundness import find_problem
from pasd_batch.pasd.tiling import TileGrid, plan_tiles

_MOST_PIXELS_ON_DEVICE = 16_000_000
"""Above it colour fix and resampling, which need some twelve float32 copies of the picture, run in main memory."""


@dataclass(frozen=True)
class PhotoRequest:
    """A photo to restore."""

    image: Float[Tensor, "1 3 height width"]
    """sRGB in [0, 1], float32, on the CPU."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class PhotoResult:
    """A restored photo, on the CPU."""

    image: Float[Tensor, "1 3 _h _w"]
    """sRGB in [0, 1]."""

    problem: str | None
    """Reason why the picture cannot be a restored photo; None when it is sound."""

    preview: Float[Tensor, "3 _ph _pw"] | None
    """The photo without its degradation, as the degradation removal module sees it, in [0, 1]."""

    prompt: str
    tiles: int
    seconds: dict[str, float]
    """Duration of each stage; the denoising of photos that ran together is shared out by their tiles."""


@dataclass(frozen=True)
class NoiseDraws:
    """All noise of one photo, drawn on the CPU over the whole latent, so that no tiling can change it."""

    posterior: Float[Tensor, "1 channels height width"]
    first: Float[Tensor, "1 channels height width"]
    second: Float[Tensor, "1 channels height width"]
    offset: Float[Tensor, "1 channels 1 1"]
    later: Tensor
    """State of the generator behind these draws, for schedulers that draw at every step."""

    @classmethod
    def from_seed(cls, seed: int, channels: int, size: Size) -> "NoiseDraws":
        """Draw everything from one seed, always in the same order."""
        generator = Generator().manual_seed(seed)

        def draw(height: int, width: int) -> Tensor:
            return torch.randn(1, channels, height, width, generator=generator)

        posterior, first, second = (draw(size.height, size.width) for _ in range(3))
        return cls(posterior, first, second, draw(1, 1), generator.get_state())


@dataclass
class _Work:
    """A photo on its way."""

    request: PhotoRequest
    sizes: Frame
    low_resolution: Float[Tensor, "1 3 height width"]
    """The photo scaled and padded, in [0, 1], on the device."""

    draws: NoiseDraws
    start: Float[Tensor, "1 channels latent_height latent_width"]
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Denoised:
    latents: Float[Tensor, "1 channels latent_height latent_width"]
    grid: TileGrid
    conditioning: Conditioning


class Pipeline:
    """PASD with given networks and settings; keeps nothing between photos but the text states of prompts."""

    def __init__(self, models: Models, sampling: SamplingSettings) -> None:
        self.models = models
        self.sampling = sampling
        guidance = Guidance(sampling.guidance_scale, sampling.conditioning_scale, sampling.guess_mode)
        self.denoiser = GuidedDenoiser(models.unet, models.control_branch, guidance)
        self.noise_schedule = AdjustableNoiseSchedule.from_settings(sampling, self._scheduler().alphas_cumprod)

    @torch.inference_mode()
    def run(
        self, requests: Sequence[PhotoRequest], budget: MemoryBudget, on_step: StepCallback | None = None
    ) -> list[PhotoResult]:
        """Restore photos of any sizes together.

        Raises:
            torch.OutOfMemoryError: even the smallest limits of the budget do not fit.
        """
        works = [self._prepare(request, budget) for request in requests]
        denoised = budget.run(lambda limits: self._denoise(works, limits, on_step), MemoryLimits.smaller_denoising)
        return [self._finish(work, result, budget) for work, result in zip(works, denoised, strict=True)]

    def _prepare(self, request: PhotoRequest, budget: MemoryBudget) -> _Work:
        started = time.perf_counter()
        sizes = framing.frame(
            Size.of(request.image),
            scale=self.sampling.scale,
            min_short_side=self.sampling.min_short_side,
            multiple=self.models.pixel_multiple,
        )
        low_resolution = framing.enter(request.image, sizes).to(self.models.device)
        latent_size = Size(sizes.padded.height // LATENT_FACTOR, sizes.padded.width // LATENT_FACTOR)
        draws = NoiseDraws.from_seed(request.seed, self.models.vae.config["latent_channels"], latent_size)
        start = self._start(low_resolution, draws, budget)
        return _Work(request, sizes, low_resolution, draws, start, {"encode": self._elapsed(started)})

    def _start(self, low_resolution: Tensor, draws: NoiseDraws, budget: MemoryBudget) -> Tensor:
        scheduler = self._scheduler()
        if self.sampling.pure_noise_start:
            start = pure_noise_start(draws.first, draws.offset, offset_noise_scale=self.sampling.offset_noise_scale)
            start = start.to(self.models.device)
        else:
            posterior = budget.run(
                lambda limits: vae_tiling.encode(
                    self.models.vae, (2 * low_resolution - 1).to(self.models.vae_dtype), tile_size=limits.vae_tile_size
                ),
                MemoryLimits.smaller_vae,
            )
            device = self.models.device
            latent = posterior.sample(draws.posterior.to(device), self._scaling_factor).float()
            start = self.noise_schedule.start(
                latent, draws.first.to(device), draws.second.to(device), timestep=int(scheduler.timesteps[0])
            )
        return start * scheduler.init_noise_sigma

    def _denoise(self, works: Sequence[_Work], limits: MemoryLimits, on_step: StepCallback | None) -> list[_Denoised]:
        started = time.perf_counter()
        grids = [plan_tiles(Size.of(work.start), self._tiling(limits)) for work in works]
        conditionings = [self._condition(work, grid) for work, grid in zip(works, grids, strict=True)]
        photos = [
            self._denoising_photo(work, grid, seen)
            for work, grid, seen in zip(works, grids, conditionings, strict=True)
        ]
        latents = denoise(
            self.denoiser,
            photos,
            [self._scheduler() for _ in photos],
            tile_batch=limits.tile_batch,
            fill_batches=self.sampling.tiling.fill_batches,
            dtype=self.models.dtype,
            on_step=on_step,
        )
        elapsed = self._elapsed(started)
        all_tiles = sum(len(grid.tiles) for grid in grids)
        for work, grid in zip(works, grids, strict=True):
            work.seconds["denoise"] = elapsed * len(grid.tiles) / all_tiles
        return [_Denoised(*parts) for parts in zip(latents, grids, conditionings, strict=True)]

    def _condition(self, work: _Work, grid: TileGrid) -> Conditioning:
        image = work.low_resolution.to(self.models.dtype)
        return condition(self.models.control_branch.controlnet_cond_embedding, image, grid)

    def _denoising_photo(self, work: _Work, grid: TileGrid, seen: Conditioning) -> DenoisingPhoto:
        negative = self.sampling.negative_prompt if self.denoiser.guidance.is_active else None
        generator = Generator()
        generator.set_state(work.draws.later)
        return DenoisingPhoto(
            start=work.start,
            grid=grid,
            embeddings=seen.embeddings,
            prompt=self._text_states(compose_prompt(work.request.prompt, suffix=self.sampling.added_prompt)),
            negative_prompt=None if negative is None else self._text_states(negative),
            generator=generator,
        )

    def _finish(self, work: _Work, denoised: _Denoised, budget: MemoryBudget) -> PhotoResult:
        started = time.perf_counter()
        latents = (denoised.latents / self._scaling_factor).to(self.models.vae_dtype)
        decoded = budget.run(
            lambda limits: vae_tiling.decode(self.models.vae, latents, tile_size=limits.vae_tile_size),
            MemoryLimits.smaller_vae,
        )
        large = work.sizes.working.height * work.sizes.working.width > _MOST_PIXELS_ON_DEVICE
        device = torch.device("cpu") if large else self.models.device
        restored = framing.leave(decoded.to(device).float() / 2 + 0.5, work.sizes)
        source = framing.leave(work.low_resolution.to(device), work.sizes)
        image = fix_color(restored.clamp(0.0, 1.0), source, self.sampling.color_fix).clamp(0.0, 1.0)
        image = framing.resize(image, work.sizes.target).cpu()
        return PhotoResult(
            image=image,
            problem=find_problem(restored, source),
            preview=self._preview(work, denoised.conditioning),
            prompt=compose_prompt(work.request.prompt, suffix=self.sampling.added_prompt),
            tiles=len(denoised.grid.tiles),
            seconds={**work.seconds, "decode": self._elapsed(started)},
        )

    def _preview(self, work: _Work, seen: Conditioning) -> Tensor | None:
        if seen.preview is None:
            return None
        half = Size(max(1, work.sizes.working.height // 2), max(1, work.sizes.working.width // 2))
        return seen.preview[:, : half.height, : half.width].float().clamp(0.0, 1.0).cpu()

    def _text_states(self, prompt: str) -> Float[Tensor, "words text_channels"]:
        return self.models.prompt_encoder.encode(prompt).to(self.models.device, self.models.dtype)

    def _scheduler(self) -> Scheduler:
        return build_scheduler(self.sampling.scheduler, self.models.scheduler_config, self.sampling.steps)

    def _tiling(self, limits: MemoryLimits) -> TilingSettings:
        overlap = min(self.sampling.tiling.overlap, limits.tile_size // 2)
        return self.sampling.tiling.model_copy(update={"tile_size": limits.tile_size, "overlap": overlap})

    @property
    def _scaling_factor(self) -> float:
        return self.models.vae.config["scaling_factor"]

    def _elapsed(self, started: float) -> float:
        if self.models.device.type == "cuda":
            torch.cuda.synchronize(self.models.device)
        return time.perf_counter() - started
