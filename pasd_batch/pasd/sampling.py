"""Sampling: from noised latents to clean ones, for several photos at once.

All photos step together; their tiles go through the networks in batches of one shape, the noise of a photo's tiles
is blended, and its own scheduler takes one step.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import TileBatch
from pasd_batch.pasd.kept_latents import KeptLatents, noise_levels
from pasd_batch.pasd.schedulers import Scheduler
from pasd_batch.pasd.tiling import Tile, TileGrid

StepCallback = Callable[[int, int], None]
"""Called after every step with the steps done and the steps in all."""


@dataclass(frozen=True)
class DenoisingPhoto:
    """One photo on its way through the sampler."""

    start: Float[Tensor, "1 channels height width"]
    """Initial latents, float32."""

    grid: TileGrid
    embeddings: Float[Tensor, "tiles width0 tile_height tile_width"]
    """The degradation removal module's embedding of every tile."""

    prompt: Float[Tensor, "words text_channels"]
    negative_prompt: Float[Tensor, "words text_channels"] | None
    """None when guidance is off."""

    generator: Generator
    """The photo's own CPU generator, for schedulers that draw noise."""

    kept: KeptLatents | None = None
    """The photo's own latents, where parts of it are left as they are; None: nowhere."""

    guidance: Float[Tensor, "1 1 height width"] | None = None
    """Scale of guidance at every place, where it is not the same everywhere; None: the denoiser's."""


Denoiser = Callable[[TileBatch, Tensor], Tensor]
"""Noise prediction for a batch of tiles at one timestep, such as `GuidedDenoiser`."""


@torch.inference_mode()
def denoise(
    denoiser: Denoiser,
    photos: Sequence[DenoisingPhoto],
    make_scheduler: Callable[[], Scheduler],
    *,
    tile_batch: int | Callable[[Size], int],
    fill_batches: bool = True,
    dtype: torch.dtype = torch.float32,
    guides: Callable[[float], bool] = lambda timestep: True,
    eta: float | None = None,
    on_step: StepCallback | None = None,
) -> list[Float[Tensor, "1 channels _h _w"]]:
    """Run photos through a scheduler's timesteps; returns clean latents in float32.

    Args:
        denoiser: predicts noise for a batch of tiles.
        photos: initial latents and what steers them.
        make_scheduler: gives schedulers that are freshly set up, all alike; one steps all photos of a size.
        tile_batch: tiles per network call, for all or by their size.
        fill_batches: fill a batch of fewer tiles up by repeating its last one, so that the shape of the computation,
            and with it every rounding, is the same whatever the neighbours are.
        dtype: precision of the networks' inputs; latents and the solver stay in float32.
        guides: tells of a timestep whether guidance acts; elsewhere negative prompts are not evaluated.
        eta: how much noise a step draws anew, for schedulers that take it; none: their own default.
        on_step: called after each step.
    """
    solvers = [_Solver.of(photos, members, make_scheduler(), eta) for members in _by_size(photos)]
    batches = _batches(photos, tile_batch, fill_batches)
    timesteps = solvers[0].scheduler.timesteps
    on_device = timesteps.to(photos[0].start.device)
    for index, timestep in enumerate(timesteps):
        for solver in solvers:
            solver.keep(index)
        scaled = _in_order(solvers, [each.scheduler.scale_model_input(each.latents, timestep) for each in solvers])
        guided = guides(float(timestep))
        parts: list[list[Tensor]] = [[] for _ in photos]
        for batch in batches:
            predicted = denoiser(batch.at(scaled, dtype, guided=guided), on_device[index])
            for (photo, _), part in zip(batch.members, predicted, strict=False):
                parts[photo].append(part)
        noises = [photo.grid.blend(torch.stack(own)) for photo, own in zip(photos, parts, strict=True)]
        for solver in solvers:
            solver.step(torch.cat([noises[photo] for photo in solver.members]), timestep)
        if on_step is not None:
            on_step(index + 1, len(timesteps))
    for solver in solvers:
        solver.keep(len(timesteps))
    return _in_order(solvers, [each.latents for each in solvers])


@dataclass
class _Solver:
    """Photos of one size, whose latents a scheduler steps together.

    A step is some hundred operations on small tensors, which take as long for many photos as for one; they work on
    each number by itself, so that no neighbour changes a photo.
    """

    members: Sequence[int]
    """Numbers of the photos."""

    scheduler: Scheduler
    latents: Tensor
    options: Mapping[str, Any]
    kept: Mapping[int, KeptLatents]
    """By the place among the members."""

    levels: Sequence[tuple[float, float]]
    """Factors on signal and noise before every step, and behind the last; empty where nothing is kept."""

    @classmethod
    def of(
        cls, photos: Sequence[DenoisingPhoto], members: Sequence[int], scheduler: Scheduler, eta: float | None
    ) -> "_Solver":
        """A solver at the start."""
        options: dict[str, Any] = {} if eta is None else {"eta": eta}
        if "generator" in inspect.signature(scheduler.step).parameters:
            options["generator"] = [photos[photo].generator for photo in members]
        kept = {place: own for place, photo in enumerate(members) if (own := photos[photo].kept) is not None}
        levels = noise_levels(scheduler) if kept else ()
        return cls(members, scheduler, torch.cat([photos[photo].start for photo in members]), options, kept, levels)

    def keep(self, steps: int) -> None:
        """Bring back, after so many steps, the latents of parts whose turn has not come."""
        if not self.kept:
            return
        signal, noise = self.levels[steps]
        left = 1.0 - steps / (len(self.levels) - 1)
        latents = list(self.latents.split(1))
        for place, own in self.kept.items():
            latents[place] = own.over(latents[place], left=left, signal=signal, noise=noise)
        self.latents = torch.cat(latents)

    def step(self, noises: Tensor, timestep: Tensor) -> None:
        """Take one step."""
        self.latents = self.scheduler.step(noises, timestep, self.latents, return_dict=False, **self.options)[0]


def _by_size(photos: Sequence[DenoisingPhoto]) -> list[list[int]]:
    members: dict[Size, list[int]] = {}
    for number, photo in enumerate(photos):
        members.setdefault(photo.grid.size, []).append(number)
    return list(members.values())


def _in_order(solvers: Sequence[_Solver], values: Sequence[Tensor]) -> list[Tensor]:
    """Each photo's part of what the solvers have, in the order of the photos."""
    parts = {
        photo: part
        for solver, value in zip(solvers, values, strict=True)
        for photo, part in zip(solver.members, value.split(1), strict=True)
    }
    return [parts[photo] for photo in sorted(parts)]


@dataclass(frozen=True)
class _Batch:
    """Tiles that go through the networks together, with what steers them at every step."""

    number: int
    members: Sequence[tuple[int, int]]
    """Numbers of photo and tile."""

    tiles: Sequence[tuple[int, Tile]]
    """Number of the photo and the tile; behind the members what fills the batch up."""

    embeddings: Tensor
    prompts: Tensor
    negative_prompts: Tensor | None
    guidance: Tensor | None

    def at(self, latents: Sequence[Tensor], dtype: torch.dtype, *, guided: bool) -> TileBatch:
        """The networks' inputs with the photos' latents at one step; one that is not guided has no negative prompts."""
        tiles = torch.cat([tile.crop(latents[photo]) for photo, tile in self.tiles])
        negatives = self.negative_prompts if guided else None
        return TileBatch(tiles.to(dtype), self.embeddings, self.prompts, negatives, self.number, self.guidance)


def _batches(
    photos: Sequence[DenoisingPhoto], tile_batch: int | Callable[[Size], int], fill_batches: bool
) -> list[_Batch]:
    """Batches of equal tile size; the tiles of a photo stay in order."""

    def size_of(pair: tuple[int, int]) -> Size:
        return photos[pair[0]].grid.tile_size

    pairs = [(number, tile) for number, photo in enumerate(photos) for tile in range(len(photo.grid.tiles))]
    batches: list[_Batch] = []
    for size, group in groupby(sorted(pairs, key=size_of), key=size_of):
        members = list(group)
        most = tile_batch if isinstance(tile_batch, int) else tile_batch(size)
        for start in range(0, len(members), most):
            least = most if fill_batches else 1
            batches.append(_batch(len(batches), photos, members[start : start + most], least))
    return batches


def _batch(number: int, photos: Sequence[DenoisingPhoto], members: list[tuple[int, int]], least: int) -> _Batch:
    """A batch of these tiles, the last one again until there are `least`."""
    filled = members + [members[-1]] * (least - len(members))
    negatives = [negative for photo, _ in filled if (negative := photos[photo].negative_prompt) is not None]
    return _Batch(
        number=number,
        members=members,
        tiles=[(photo, photos[photo].grid.tiles[tile]) for photo, tile in filled],
        embeddings=_embeddings(photos, filled),
        prompts=torch.stack([photos[photo].prompt for photo, _ in filled]),
        negative_prompts=torch.stack(negatives) if negatives else None,
        guidance=_guidance(photos, filled),
    )


def _guidance(photos: Sequence[DenoisingPhoto], members: Sequence[tuple[int, int]]) -> Tensor | None:
    """Scales of guidance over the tiles; all or none of the photos that go together have their own."""
    maps = [(photos[photo].guidance, photos[photo].grid.tiles[tile]) for photo, tile in members]
    parts = [tile.crop(scales) for scales, tile in maps if scales is not None]
    return torch.cat(parts) if parts else None


def _embeddings(photos: Sequence[DenoisingPhoto], members: Sequence[tuple[int, int]]) -> Tensor:
    """The tiles' embeddings; where they lie one behind the other, not another copy of them."""
    (photo, first), (last_photo, last) = members[0], members[-1]
    if photo == last_photo and last - first == len(members) - 1:
        return photos[photo].embeddings[first : last + 1]
    # Not stacked, which would change their layout.
    return torch.cat([photos[photo].embeddings[tile : tile + 1] for photo, tile in members])
