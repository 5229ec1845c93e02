"""Running our sampler on recorded draws, in the reference's manner."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import golden_data
import torch
from diffusers import AutoencoderKL
from golden_data import model_folder

from pasd_batch.config.tiling import TilePlacement, TilingSettings
from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.checkpoint import load_control_branch, load_unet
from pasd_batch.pasd.conditioning import condition
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule, pure_noise_start
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.pasd.sampling import DenoisingPhoto, denoise
from pasd_batch.pasd.schedulers import Scheduler, build_scheduler
from pasd_batch.pasd.tiling import plan_tiles

BASE = "tiny/stable-diffusion-v1-5"


class RecordingScheduler:
    """A scheduler that remembers what it was given and what it made of it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.noises: list[torch.Tensor] = []
        self.latents: list[torch.Tensor] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scheduler, name)

    def step(self, noise: torch.Tensor, timestep: torch.Tensor, latent: torch.Tensor, return_dict: bool = True) -> Any:
        result = self.scheduler.step(noise, timestep, latent, return_dict=return_dict)
        self.noises.append(noise)
        self.latents.append(result[0])
        return result


@dataclass(frozen=True)
class Run:
    """One sampling run of the reference."""

    about: dict[str, Any]
    variant: Path
    low_resolution: torch.Tensor
    draws: list[torch.Tensor]
    scheduler_config: Path

    def start(self, scheduler: Scheduler) -> torch.Tensor:
        if self.about.get("init_latent_with_noise"):
            return pure_noise_start(
                self.draws[0],
                self.draws[0][:, :, :1, :1],
                offset_noise_scale=self.about.get("offset_noise_scale", 0.0),
            )
        posterior = vae_tiling.encode(vae(), 2 * self.low_resolution - 1, tile_size=256)
        latent = posterior.sample(self.draws[0], vae().config["scaling_factor"])
        # A level outside the schedule acts as its last timestep in the reference (conformance README, 4.2).
        timesteps = scheduler.timesteps.tolist()
        level = self.about["added_noise_level"]
        acted = level if level in timesteps else timesteps[-1]
        schedule = AdjustableNoiseSchedule(scheduler.alphas_cumprod, float(scheduler.alphas_cumprod[acted]))
        return schedule.start(latent, self.draws[1], self.draws[2], timestep=timesteps[0])

    def sample(self, *, tile_batch: int = 1) -> tuple[torch.Tensor, RecordingScheduler]:
        about = self.about
        config = json.loads(self.scheduler_config.read_text())
        scheduler = RecordingScheduler(build_scheduler("UniPCMultistepScheduler", config, about["num_inference_steps"]))
        branch = load_control_branch(self.variant / "controlnet").float()
        guidance = Guidance(about["guidance_scale"], about["conditioning_scale"], about.get("guess_mode", False))
        start = self.start(scheduler)
        tiling = TilingSettings(
            tile_size=about["latent_tiled_size"],
            overlap=about["latent_tiled_overlap"],
            placement=TilePlacement.PUBLISHED,
        )
        grid = plan_tiles(Size.of(start), tiling)
        embeddings = condition(branch.controlnet_cond_embedding, self.low_resolution, grid)
        prompt, negative = text_states(about["prompt"], about["negative_prompt"])
        photo = DenoisingPhoto(
            start=start,
            grid=grid,
            embeddings=embeddings,
            prompt=prompt,
            negative_prompt=negative if guidance.is_active else None,
            generator=torch.Generator(),
        )
        denoiser = GuidedDenoiser(load_unet(self.variant / "unet").float(), branch, guidance)
        (latents,) = denoise(denoiser, [photo], lambda: scheduler, tile_batch=tile_batch)
        return latents, scheduler

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return vae_tiling.decode(vae(), latents / vae().config["scaling_factor"], tile_size=256)


def vae() -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(model_folder(f"{BASE}/vae")).float().eval()


def text_states(prompt: str, negative: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Text states from the text encoder, or, in a folder that leaves it out, from the recorded ones."""
    folder = golden_data.FOLDER / BASE
    if (folder / "tokenizer").is_dir():
        from transformers import CLIPTextModel, CLIPTokenizer

        text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval()
        encoder = PromptEncoder(CLIPTokenizer.from_pretrained(folder / "tokenizer"), text_encoder)
        return encoder.encode(prompt), encoder.encode(negative or "")
    golden = golden_data.load("text")
    number = golden.description["prompts"].index([prompt, negative])
    recorded_negative, recorded_prompt = golden.tensors[f"embeds_{number}"]
    return recorded_prompt, recorded_negative
