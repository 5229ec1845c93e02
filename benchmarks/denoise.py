"""Time per photo of pasd_batch's sampler against a plain loop, in one run on the same weights.

The plain loop is what a script around the two networks does: one tile at a time in the published placement, the
photo's conditioning embedding and the prompts' text states computed again at every step, both halves of
classifier-free guidance always. Both take the same steps of the same scheduler; where the photo is one tile, their
results are compared before they are timed.

    python benchmarks/denoise.py                          # tiny networks, 512x512, on the CPU
    python benchmarks/denoise.py --full --steps 1         # Stable Diffusion 1.5's size with random weights
    python benchmarks/denoise.py --full --device cuda --dtype bfloat16 --photos 4 --peak-tflops 989

Weights are random. Random networks soon produce denormal numbers, on which processors are slow, so these are flushed
to zero for both; apart from that, speed does not depend on the weights.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pasd_batch.config.model import ModelSettings, Precision
from pasd_batch.config.tiling import TilePlacement, TilingSettings
from pasd_batch.pasd.conditioning import condition
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.models import Models, load_models
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.pasd.sampling import DenoisingPhoto, denoise
from pasd_batch.pasd.schedulers import build_scheduler
from pasd_batch.pasd.tiling import Tile, TileGrid, plan_tiles
from pasd_batch.pasd.untrained import STABLE_DIFFUSION_15, TINY, save_untrained

PROMPT, NEGATIVE = "a photo, clean, high-resolution, 8k", "blurry, noise"


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    side: int
    guidance: float
    tile_size: int


@dataclass(frozen=True)
class Work:
    """What both samplers are given."""

    photos: list[Tensor]
    starts: list[Tensor]
    grid: TileGrid
    plain_grid: TileGrid
    """Where the plain loop places its tiles."""

    guidance: Guidance
    steps: int


def main() -> None:
    options = parse_arguments()
    cases = [
        Case("guided, whole", options.side, 9.0, 1024),
        Case("unguided, whole", options.side, 1.0, 1024),
        Case("guided, tiles", options.side, 9.0, max(16, options.side // LATENT_FACTOR * 3 // 4)),
    ]
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as passing:
        models = random_models(options.networks or Path(passing), options)
    print(f"device: {device_name(models.device)}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"networks: {'full size' if options.full else 'tiny'}, {models.dtype}, {options.steps} steps")
    for case in cases:
        compare(models, case, options)


def random_models(folder: Path, options: argparse.Namespace) -> Models:
    """The networks of this size in `folder`, made there if it has none."""
    folder = folder / ("full" if options.full else "tiny")
    if not (folder / "unet").is_dir():
        save_untrained(folder, STABLE_DIFFUSION_15 if options.full else TINY, seed=0)
    return load_models(
        ModelSettings(base=folder, control=folder, device=options.device, dtype=options.dtype, compile=options.compile)
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="networks of the published size")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", type=Precision, default=Precision.FLOAT32)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--photos", type=int, default=1, help="photos that are restored together")
    parser.add_argument("--tile-batch", type=int, help="tiles per network call (default: as many as photos)")
    parser.add_argument("--side", type=int, default=512, help="photo side in pixels")
    parser.add_argument("--repeats", type=int, default=3, help="timings of which the fastest counts")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--networks", type=Path, help="where the random networks are kept from one run to the next")
    parser.add_argument(
        "--peak-tflops", type=float, help="hardware's dense peak in this precision, for the share of it"
    )
    return parser.parse_args()


@torch.inference_mode()
def compare(models: Models, case: Case, options: argparse.Namespace) -> None:
    """Check that both samplers agree, then time them in turns."""
    work = make_work(models, case, options)
    tile_batch = options.tile_batch or options.photos
    ours = lambda: sample(models, work, tile_batch)  # noqa: E731
    plain = lambda: plain_loop(models, work)  # noqa: E731
    agreement = f"{largest_difference(ours(), plain()):.1e}" if len(work.grid.tiles) == 1 else "other tiles"
    timings = [(timed(ours, models.device), timed(plain, models.device)) for _ in range(options.repeats)]
    fast, slow = min(t[0] for t in timings) / options.photos, min(t[1] for t in timings) / options.photos
    print(
        f"{case.name:16} {case.side}x{case.side} {len(work.grid.tiles):2d} tile(s): {fast:.3f} s a photo, "
        f"plain loop {slow:.3f} s, ratio {slow / fast:.2f} (largest relative difference: {agreement})"
    )
    if models.device.type == "cuda":
        report_hardware(models, work, fast, options, tile_batch)


def largest_difference(ours: Sequence[Tensor], plain: Sequence[Tensor]) -> float:
    """Largest error relative to the largest value; fails where a result is not finite."""
    for mine, theirs in zip(ours, plain, strict=True):
        if not (torch.isfinite(mine).all() and torch.isfinite(theirs).all()):
            raise SystemExit("the random networks diverged; take fewer steps")
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, plain, strict=True))


def make_work(models: Models, case: Case, options: argparse.Namespace) -> Work:
    generator = torch.Generator().manual_seed(0)
    latent = Size(case.side // LATENT_FACTOR, case.side // LATENT_FACTOR)
    channels = models.vae.config["latent_channels"]
    shape = (1, channels, latent.height, latent.width)
    photos = [torch.rand(1, 3, case.side, case.side, generator=generator) for _ in range(options.photos)]
    starts = [torch.randn(shape, generator=generator).to(models.device) for _ in photos]
    grid, plain_grid = (
        plan_tiles(latent, TilingSettings(tile_size=case.tile_size, overlap=8, placement=placement))
        for placement in (TilePlacement.EVEN, TilePlacement.PUBLISHED)
    )
    photos = [photo.to(models.device) for photo in photos]
    return Work(photos, starts, grid, plain_grid, Guidance(case.guidance), options.steps)


def sample(models: Models, work: Work, tile_batch: int) -> list[Tensor]:
    """The sampler of pasd_batch, from photo and starting latents to clean latents."""
    encoder = PromptEncoder(models.prompt_encoder.tokenizer, models.prompt_encoder.text_encoder)
    prompt, negative = (encoder.encode(text).to(models.dtype) for text in (PROMPT, NEGATIVE))
    drm = models.control_branch.controlnet_cond_embedding
    photos = [
        DenoisingPhoto(
            start=start,
            grid=work.grid,
            embeddings=condition(drm, photo.to(models.dtype), work.grid),
            prompt=prompt,
            negative_prompt=negative if work.guidance.is_active else None,
            generator=torch.Generator(),
        )
        for photo, start in zip(work.photos, work.starts, strict=True)
    ]
    denoiser = GuidedDenoiser(models.unet, models.control_branch, work.guidance)
    return denoise(denoiser, photos, lambda: unipc(models, work.steps), tile_batch=tile_batch, dtype=models.dtype)


def plain_loop(models: Models, work: Work) -> list[Tensor]:
    """One photo after the other, one tile after the other, everything anew at every step."""
    results = []
    encoder = models.prompt_encoder
    for photo, start in zip(work.photos, work.starts, strict=True):
        scheduler = unipc(models, work.steps)
        latents = start
        for timestep in scheduler.timesteps:
            states = [encoder.text_encoder(encoder.token_ids(text).to(models.device)) for text in (NEGATIVE, PROMPT)]
            text = torch.cat([state.last_hidden_state for state in states]).to(models.dtype)
            grid = work.plain_grid
            parts = [plain_tile(models, work, tile, photo, latents, timestep, text) for tile in grid.tiles]
            latents = scheduler.step(grid.blend(torch.cat(parts)), timestep, latents, return_dict=False)[0]
        results.append(latents)
    return results


def plain_tile(
    models: Models, work: Work, tile: Tile, photo: Tensor, latents: Tensor, timestep: Tensor, text: Tensor
) -> Tensor:
    both = tile.crop(latents).repeat(2, 1, 1, 1).to(models.dtype)
    picture = tile.crop(photo, LATENT_FACTOR).repeat(2, 1, 1, 1).to(models.dtype)
    embedding = models.control_branch.controlnet_cond_embedding(picture).embedding
    residuals = models.control_branch(both, timestep, text, embedding)
    negative, positive = models.unet(both, timestep, text, residuals).float().chunk(2)
    return negative + max(1.0, work.guidance.scale) * (positive - negative)


def unipc(models: Models, steps: int):  # noqa: ANN201
    return build_scheduler("UniPCMultistepScheduler", models.scheduler_config, steps)


def timed(action: Callable[[], Sequence[Tensor]], device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    action()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def report_hardware(models: Models, work: Work, seconds: float, options: argparse.Namespace, tile_batch: int) -> None:
    torch.cuda.reset_peak_memory_stats(models.device)
    with FlopCounterMode(display=False) as counter:
        sample(models, work, tile_batch)
    tflop = counter.get_total_flops() / options.photos / 1e12
    share = f", {tflop / seconds / options.peak_tflops:.0%} of its peak" if options.peak_tflops else ""
    peak = torch.cuda.max_memory_allocated(models.device) / 2**30
    print(f"{'':16} {tflop:.1f} TFLOP a photo, {tflop / seconds:.0f} TFLOP/s{share}; peak memory {peak:.1f} GiB")


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "CPU"


if __name__ == "__main__":
    main()
