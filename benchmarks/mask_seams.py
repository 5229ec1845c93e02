"""Measures whether the borders of masks are seen: photos degraded by seed and restored in a disc, or outside of it.

    python benchmarks/mask_seams.py PHOTOS                                              # the embedded model
    python benchmarks/mask_seams.py PHOTOS --set model.base=... --set model.control=... --set sampling.scale=2

PHOTOS is a folder; of each photo the middle square of --side pixels is degraded by Real-ESRGAN's chain and halved.
Prints a Markdown table of `seam` for results with a mask, for those without a feather, and for the whole result pasted
into the photo's enlargement, which is what masks are to be better than.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from degraded_photos import degraded_pairs
from torch import Tensor
from torch.nn.functional import max_pool2d

from pasd_batch import Restorer, RestoreSettings
from pasd_batch.config.base import with_overrides
from pasd_batch.luma import BT601
from pasd_batch.pasd import padding
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.regions import PhotoRegions, resize_mask
from pasd_batch.pasd.restorer import Restoration

REACH = 16
"""Pixels on both sides of a border that its steps are compared with."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=12, help="photos, spread over the folder (default 12)")
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--strength", type=float, default=0.5, help="of the degradation, 0 to 1")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="key=value")
    options = parser.parse_args()
    restorers = {feather: _restorer(feather, options.overrides) for feather in (0, 8)}
    pairs = degraded_pairs(options.photos, count=options.count, side=options.side, strength=options.strength)
    rows = [each for number, (_, small) in enumerate(pairs) for each in seams(number, small, restorers)]
    names = list(rows[0])
    print(f"{len(rows)} masks over photos of {options.side} pixels, strength {options.strength:g}\n")
    print("| result | mean | largest |\n|---|---:|---:|")
    for name in names:
        values = [row[name] for row in rows]
        print(f"| {name} | {np.mean(values):.3f} | {max(values):.3f} |")


def _restorer(feather: int, overrides: Sequence[str]) -> Restorer:
    given = with_overrides({"sampling": {"scale": 2, "feather": feather}}, overrides, RestoreSettings)
    return Restorer.from_settings(RestoreSettings.parse(given))


def seams(number: int, small: np.ndarray, restorers: Mapping[int, Restorer]) -> Iterator[dict[str, float]]:
    """Seams of one photo with the two masks; restorers by their feather."""
    photo = torch.from_numpy(small).permute(2, 0, 1)
    for mask in (disc := disc_in(Size.of(photo)), 1.0 - disc):
        whole, feathered, hard = (
            restored(photo, number, restorers[feather], regions)
            for regions, feather in ((None, 8), (PhotoRegions(photo, mask), 8), (PhotoRegions(photo, mask), 0))
        )
        weight = resize_mask(mask[None, None], Size.of(whole))[0, 0]
        own = padding.resize(photo[None], Size.of(whole))[0]
        pasted = torch.where(weight > 0.0, whole, own)
        yield {
            "with the mask, feather 8": seam(feathered, weight),
            "with the mask, feather 0": seam(hard, weight),
            "the whole result, pasted": seam(pasted, weight),
            "the enlargement alone": seam(own, weight),
        }


def restored(photo: Tensor, seed: int, restorer: Restorer, regions: PhotoRegions | None) -> Tensor:
    """The photo restored (3, height, width)."""
    (result,) = restorer.restore([photo], prompts=[""], seeds=[seed], regions=[regions])
    assert isinstance(result, Restoration), result
    return result.image


def seam(image: Tensor, mask: Tensor) -> float:
    """The mean step across a mask's border over the larger mean step beside it; above 1 the border is seen.

    A step is the difference in luma of two neighbours. Those across the border have one neighbour where the mask is 0;
    those beside it are within `REACH` pixels of it, inside the restored or inside the left part.

    Args:
        image: (3, height, width), in [0, 1].
        mask: (height, width), of the same size.
    """
    luma = (image * image.new_tensor(BT601).view(3, 1, 1)).sum(dim=0)
    left = mask == 0.0
    near, across, beside = _near_border(left), 0.0, {True: 0.0, False: 0.0}
    for axis in (0, 1):
        length = luma.shape[axis] - 1
        steps = (luma.narrow(axis, 1, length) - luma.narrow(axis, 0, length)).abs()
        one, other = left.narrow(axis, 0, length), left.narrow(axis, 1, length)
        across += float(steps[one != other].sum())
        for side in (True, False):
            # As many steps as go across, for a photo may have other ones down than across.
            inside = steps[(one == side) & (other == side) & near.narrow(axis, 0, length)]
            beside[side] += float(inside.mean()) * int((one != other).sum())
    return across / max(beside.values())


def _near_border(left: Tensor) -> Tensor:
    inside, outside = (
        max_pool2d(each.float()[None, None], 2 * REACH + 1, stride=1, padding=REACH)[0, 0] for each in (left, ~left)
    )
    return (inside > 0.0) & (outside > 0.0)


def disc_in(size: Size) -> Tensor:
    """A mask that restores a disc in the middle, of 0.6 of the short side."""
    rows = torch.arange(size.height)[:, None] - (size.height - 1) / 2
    columns = torch.arange(size.width)[None] - (size.width - 1) / 2
    return (torch.sqrt(rows**2 + columns**2) <= 0.3 * size.short_side).float()


if __name__ == "__main__":
    main()
