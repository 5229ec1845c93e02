"""Sampling: from noised latents to clean ones, for several photos at once.

At every step the tiles of all photos go through the networks in batches of one shape, the predicted noise of each
photo's tiles is blended (MultiDiffusion), and a scheduler steps the whole latents.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.pasd.conditioning import EmbeddingsOnDemand
from pasd_batch.pasd.differential_diffusion import KeptLatents
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import TileBatch
from pasd_batch.pasd.schedulers import Scheduler
from pasd_batch.pasd.solver import Solver
from pasd_batch.pasd.tiling import Blending, Tile, TileGrid

StepCallback = Callable[[float, int], None]
"""Called after every batch of tiles with the number of steps done, the share of the present one's batches among them,
and the total of steps. One step of a large photo may take an hour."""


@dataclass(frozen=True)
class DenoisingPhoto:
    """Inputs of the sampler for one photo."""

    start: Float[Tensor, "1 channels height width"]
    """Initial latents, float32; those of a large photo are overwritten."""

    grid: TileGrid
    embeddings: Tensor | EmbeddingsOnDemand
    """The degradation removal module's embedding of every tile (tiles, width0, tile height, tile width)."""

    prompt: Float[Tensor, "words text_channels"]
    negative_prompt: Float[Tensor, "words text_channels"] | None
    """None when guidance is off."""

    generator: Generator
    """The photo's own CPU generator, for schedulers that draw noise."""

    kept: KeptLatents | None = None
    """Latents to keep (differential diffusion); None without a mask."""

    guidance: Float[Tensor, "1 1 height width"] | None = None
    """Guidance scale per latent pixel; None: the denoiser's everywhere."""


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
    is_guided: Callable[[float], bool] = lambda timestep: True,
    eta: float | None = None,
    on_step: StepCallback | None = None,
) -> list[Float[Tensor, "1 channels _h _w"]]:
    """Run photos through a scheduler's timesteps; returns clean latents in float32.

    Args:
        denoiser: predicts noise for a batch of tiles.
        photos: initial latents and conditioning.
        make_scheduler: factory of equally configured schedulers; one steps all photos of a size.
        tile_batch: tiles per network call, or a function of their size.
        fill_batches: repeat the last tile of a smaller batch, so that shapes, and with them rounding, do not depend on
            the other photos.
        dtype: precision of the networks' inputs; latents and the solver stay in float32.
        is_guided: true for timesteps at which guidance acts; at others negative prompts are not evaluated.
        eta: DDIM's eta, for schedulers that take it; None: their default.
        on_step: called after each step, and within it after each batch of tiles.
    """
    solvers = [_solver(photos, members, make_scheduler, eta) for members in _by_size(photos)]
    batches = _batches(photos, tile_batch, fill_batches)
    timesteps = solvers[0].timesteps
    on_device = timesteps.to(photos[0].start.device)
    for index, timestep in enumerate(timesteps):
        for solver in solvers:
            solver.restore_kept(index)
        scaled = _in_order(solvers, [each.scaled(timestep) for each in solvers])
        guided = is_guided(float(timestep))
        blendings = [Blending(photo.grid) for photo in photos]
        for number, batch in enumerate(batches):
            if on_step is not None and number > 0:
                on_step(index + number / len(batches), len(timesteps))
            predicted = denoiser(batch.at(scaled, dtype, guided=guided), on_device[index])
            for (photo, tile), part in zip(batch.members, predicted.split(1), strict=False):
                blendings[photo].add(tile, part)
        for solver in solvers:
            noises = [blendings[photo].result() for photo in solver.members]
            solver.step(noises, timestep, is_last=index == len(timesteps) - 1)
        if on_step is not None:
            on_step(index + 1, len(timesteps))
    for solver in solvers:
        solver.restore_kept(len(timesteps))
    return _in_order(solvers, [each.latents for each in solvers])


def _solver(
    photos: Sequence[DenoisingPhoto],
    members: Sequence[int],
    make_scheduler: Callable[[], Scheduler],
    eta: float | None,
) -> Solver:
    own = [photos[each] for each in members]
    kept = {place: each.kept for place, each in enumerate(own) if each.kept is not None}
    starts, generators = [each.start for each in own], [each.generator for each in own]
    return Solver(members, starts, generators, kept, make_scheduler, eta)


def _by_size(photos: Sequence[DenoisingPhoto]) -> list[list[int]]:
    members: dict[Size, list[int]] = {}
    for number, photo in enumerate(photos):
        members.setdefault(photo.grid.size, []).append(number)
    return list(members.values())


def _in_order(solvers: Sequence[Solver], values: Sequence[Tensor]) -> list[Tensor]:
    """The solvers' values split by photo, in the order of the photos."""
    parts = {
        photo: part
        for solver, value in zip(solvers, values, strict=True)
        for photo, part in zip(solver.members, value.split(1), strict=True)
    }
    return [parts[photo] for photo in sorted(parts)]


@dataclass(frozen=True)
class _Batch:
    """Tiles that go through the networks together, with their conditioning."""

    number: int
    members: Sequence[tuple[int, int]]
    """Indices of photo and tile."""

    tiles: Sequence[tuple[int, Tile]]
    """Index of the photo, and the tile; after the members the repeated tiles that fill the batch."""

    embeddings: Tensor | Callable[[], Tensor]
    prompts: Tensor
    negative_prompts: Tensor | None
    guidance: Tensor | None

    def at(self, latents: Sequence[Tensor], dtype: torch.dtype, *, guided: bool) -> TileBatch:
        """The networks' inputs for the photos' latents of one step; without negative prompts unless `guided`."""
        tiles = torch.cat([tile.crop(latents[photo]) for photo, tile in self.tiles])
        negatives = self.negative_prompts if guided else None
        embeddings = self.embeddings if isinstance(self.embeddings, Tensor) else self.embeddings()
        return TileBatch(tiles.to(dtype), embeddings, self.prompts, negatives, self.number, self.guidance)


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
    """A batch of these tiles, filled up to `least` by repeating the last one."""
    filled = members + [members[-1]] * (least - len(members))
    is_there = all(isinstance(photos[photo].embeddings, Tensor) for photo, _ in filled)
    negatives = [negative for photo, _ in filled if (negative := photos[photo].negative_prompt) is not None]
    return _Batch(
        number=number,
        members=members,
        tiles=[(photo, photos[photo].grid.tiles[tile]) for photo, tile in filled],
        embeddings=_embeddings(photos, filled) if is_there else lambda: _embeddings(photos, filled),
        prompts=torch.stack([photos[photo].prompt for photo, _ in filled]),
        negative_prompts=torch.stack(negatives) if negatives else None,
        guidance=_guidance(photos, filled),
    )


def _guidance(photos: Sequence[DenoisingPhoto], members: Sequence[tuple[int, int]]) -> Tensor | None:
    """Guidance scales of the tiles; either all photos of a batch have a map, or none."""
    maps = [(photos[photo].guidance, photos[photo].grid.tiles[tile]) for photo, tile in members]
    parts = [tile.crop(scales) for scales, tile in maps if scales is not None]
    return torch.cat(parts) if parts else None


def _embeddings(photos: Sequence[DenoisingPhoto], members: Sequence[tuple[int, int]]) -> Tensor:
    """The tiles' embeddings; a view if they are consecutive tiles of one photo."""
    (photo, first), (last_photo, last) = members[0], members[-1]
    if photo == last_photo and last - first == len(members) - 1:
        return photos[photo].embeddings[first : last + 1]
    # Not `stack`, which would change the memory layout.
    return torch.cat([photos[photo].embeddings[tile : tile + 1] for photo, tile in members])
