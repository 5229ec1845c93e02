"""Measures how often ordinary results count as weak (`sampling.retry_weak`), and how many spoilt tiles are found.

    python benchmarks/weak_tiles.py PHOTOS                                          # the embedded model
    python benchmarks/weak_tiles.py PHOTOS --set model.base=... --set model.control=... --set sampling.scale=2

PHOTOS is a folder; of each photo a square of --side pixels is taken as it is, degraded by Real-ESRGAN's chain, or by
that of old photos, in turns, halved and restored at twice the size. Then each tile of each result is spoilt by itself:
made flat, or three times as colourful with a tint.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pasd_batch import Restorer, RestoreSettings
from pasd_batch.config.base import with_overrides
from pasd_batch.config.degradation import RealEsrganSettings
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.config.weak_tiles import RetryWeakSettings
from pasd_batch.degradation.chain import degrade_photo
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.padding import resize
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.pasd.tiling import TileGrid, plan_tiles
from pasd_batch.pasd.weak_tiles import Weakness, find_weakness, measure_tiles

CHAINS = {"clean": None, "Real-ESRGAN": RealEsrganSettings(strength=0.6), "old photos": OldPhotoSettings()}
THRESHOLDS = RetryWeakSettings()


def flat(tile: Tensor) -> Tensor:
    return tile.mean(dim=(2, 3), keepdim=True)


def saturated(tile: Tensor) -> Tensor:
    gray = tile.mean(dim=1, keepdim=True)
    return (gray + 3 * (tile - gray) + tile.new_tensor([0.1, -0.05, -0.05]).view(1, 3, 1, 1)).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=42, help="photos, spread over the folder (default 42)")
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="key=value")
    options = parser.parse_args()
    values = with_overrides({"sampling": {"scale": 2, "color_fix": "none"}}, options.overrides, RestoreSettings)
    restorer = Restorer.from_settings(RestoreSettings.parse(values))
    tiling = restorer.settings.sampling.tiling
    weak, spoilt, found, worst = dict.fromkeys(CHAINS, 0), 0, {"flat": 0, "saturated": 0}, []
    for number, (chain, small) in enumerate(_crops(options.photos, options.count, options.side)):
        (result,) = restorer.restore([small], prompts=[""], seeds=[number])
        assert isinstance(result, Restoration), result
        image = result.image[None]
        source = resize(small[None], Size.of(image))
        grid = plan_tiles(Size(image.shape[2] // LATENT_FACTOR, image.shape[3] // LATENT_FACTOR), tiling)
        judged = _judged(image, source, grid)
        weak[chain] += judged.tiles > 0
        worst.append(judged.worst)
        spoilt += len(grid.tiles)
        found["flat"] += _found(image, source, grid, flat)
        found["saturated"] += _found(image, source, grid, saturated)
        print(f"{number + 1}: {chain}, {len(grid.tiles)} tiles, {judged}", flush=True)
    print(f"\n{len(worst)} crops, {spoilt} tiles; with weak tiles: {weak}; the worst is at {max(worst):.2f} of 1")
    print("; ".join(f"spoilt tiles that are {name}: {count / spoilt:.0%} found" for name, count in found.items()))


def _judged(image: Tensor, source: Tensor, grid: TileGrid) -> Weakness:
    return find_weakness(measure_tiles(image, source, grid), THRESHOLDS)


def _found(image: Tensor, source: Tensor, grid: TileGrid, spoil: Callable[[Tensor], Tensor]) -> int:
    """Tiles that are found if each is spoilt by itself."""
    found = 0
    for tile in grid.tiles:
        spoilt = image.clone()
        tile.crop(spoilt, LATENT_FACTOR).copy_(spoil(tile.crop(image, LATENT_FACTOR)))
        found += _judged(spoilt, source, grid).tiles > 0
    return found


def _crops(folder: Path, count: int, side: int) -> Iterator[tuple[str, Tensor]]:
    """Names of chains, and degraded halves (3, height, width) in [0, 1]."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for seed, place in enumerate(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)):
        pixels = np.asarray(Image.open(paths[place]).convert("RGB"), np.float32) / 255
        photo = torch.from_numpy(pixels).permute(2, 0, 1)[:, :side, :side]
        photo = photo[:, : photo.shape[1] // 16 * 16, : photo.shape[2] // 16 * 16]
        chain, settings = list(CHAINS.items())[seed % len(CHAINS)]
        degraded = photo if settings is None else degrade_photo(photo, seed=seed, settings=settings)
        yield chain, avg_pool2d(degraded.clamp(0, 1)[None], 2)[0].mul(255).round() / 255


if __name__ == "__main__":
    main()
