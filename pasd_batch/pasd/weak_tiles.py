"""Weak tiles of a result: far less detail than expected from the input and the other tiles, or a colour shift.

Measured on the VAE's output, since the colour fix would hide colour shifts, and per tile, since one weak tile is lost
in the mean of a large photo.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.weak_tiles import RetryWeakSettings
from pasd_batch.luma import BT601
from pasd_batch.pasd.cielab import to_lab
from pasd_batch.pasd.device import start_copy_to_host
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.tiling import TileGrid

Image = Float[Tensor, "1 3 height width"]

_INVISIBLE = (2.0 / 255) ** 2
"""Mean square of invisible detail, added to both: noise that is removed from an empty sky is no loss."""


_LEAST_USUAL = 0.6
"""Lower bound of the expected detail, as a ratio to the input's, in case most tiles are weak."""


@dataclass(frozen=True)
class Weakness:
    """Weak tiles of a result, ordered by how bad they are."""

    checks: tuple[str, ...]
    """Checks that found them: `detail`, `color`."""
    tiles: int
    worst: float
    """Largest ratio of a tile's measure to its threshold; above 1 the tile is weak."""

    def __lt__(self, other: "Weakness") -> bool:
        return (self.tiles, self.worst) < (other.tiles, other.worst)


def start_weak_tile_check(
    decoded: Image, padded: Image, grid: TileGrid, sampling: SamplingSettings
) -> Callable[[], Weakness] | None:
    """Start measuring a result's tiles, if enabled; the returned function waits for the measures and finds weak tiles.

    Args:
        decoded: what the VAE made, in about [-1, 1].
        padded: the low-resolution photo at the same size, in [0, 1].
        grid: the tiles.
        sampling: settings of the photo.
    """
    if not sampling.retry_weak.enabled:
        return None
    return start_reduced_check(reduced(decoded.float() / 2 + 0.5), reduced(padded.to(decoded.device)), grid, sampling)


def start_reduced_check(
    decoded: Image, source: Image, grid: TileGrid, sampling: SamplingSettings
) -> Callable[[], Weakness]:
    """`start_weak_tile_check` for `reduced` pictures, as those of large photos."""
    measures = start_copy_to_host(_measure(decoded, source, grid))
    return lambda: find_weakness(measures, sampling.retry_weak, new_colors=sampling.colorize)


def reduced(image: Image) -> Float[Tensor, "1 3 _height _width"]:
    """A picture in about [0, 1] averaged to the size of its latents, at which tiles are measured."""
    return avg_pool2d(image.clamp(0.0, 1.0).float(), LATENT_FACTOR)


def measure_tiles(decoded: Image, source: Image, grid: TileGrid) -> Float[Tensor, "tiles 2"]:
    """Detail and colour shift of every tile relative to the input, without synchronising with the device.

    Detail is a band-pass of 1 to 3 latent pixels, compared by the root of the ratio of mean squares; at smaller scales
    noise dominates the input. Colour is the distance of the means in CIELAB, or of the mean chromas if that is more.

    Args:
        decoded: what the VAE made, in about [0, 1] and not clamped, of the latents' size times 8.
        source: the low-resolution photo at the same size, in [0, 1].
        grid: the tiles.
    """
    return _measure(reduced(decoded), reduced(source), grid)


def _measure(restored: Image, source: Image, grid: TileGrid) -> Float[Tensor, "tiles 2"]:
    measures = []
    for tile in grid.tiles:
        both = [tile.crop(each) for each in (restored, source)]
        made, given = (_detail(each).square().mean() + _INVISIBLE for each in both)
        shift = (_colors(both[0]) - _colors(both[1])).abs()
        measures.append(torch.stack([(made / given).sqrt(), torch.maximum(shift[:3].norm(), shift[3])]))
    return torch.stack(measures)


def find_weakness(
    measures: Float[Tensor, "tiles 2"], settings: RetryWeakSettings, *, new_colors: bool = False
) -> Weakness:
    """Weak tiles by their `measure_tiles`; with `new_colors` (colorization) colour shifts are ignored."""
    details, shifts = measures.T.tolist()
    least = [settings.detail * _expected_detail(details, number) for number in range(len(details))]
    excess = {"detail": [share / max(detail, 1e-9) for share, detail in zip(least, details, strict=True)]}
    excess["color"] = [0.0 if new_colors else shift / settings.color for shift in shifts]
    worst = [max(each) for each in zip(*excess.values(), strict=True)]
    checks = tuple(name for name, values in excess.items() if max(values) > 1.0)
    return Weakness(checks, sum(each > 1.0 for each in worst), max(worst))


def _expected_detail(details: list[float], number: int) -> float:
    """Expected detail ratio of a tile: the median of the other tiles'; 1 in a photo of one tile."""
    others = details[:number] + details[number + 1 :]
    return max(median(others), _LEAST_USUAL) if others else 1.0


def _detail(image: Image) -> Float[Tensor, "1 1 height width"]:
    """Luma less its mean over 3 x 3 pixels."""
    luma = (image * image.new_tensor(BT601).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    return luma - avg_pool2d(pad(luma, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _colors(image: Image) -> Float[Tensor, "4"]:
    """Means of L*, a*, b* and chroma."""
    lab = to_lab(image)
    return torch.cat([lab, lab[:, 1:].norm(dim=1, keepdim=True)], dim=1).mean(dim=(0, 2, 3))
