"""Measures what a colour reference does for faded prints: how far their colours are from the true ones, by CIEDE2000.

    python benchmarks/color_reference.py PHOTOS [--whole-chain]        # the embedded model

PHOTOS is a folder. One half of each photo is faded in colour as old prints are (--whole-chain: scratched, grainy and
compressed, too), halved in size and restored at twice the size; the other half, as it is, is the colour reference.
Prints a Markdown table, a photo a line, and the means.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pasd_batch import Restorer, RestoreSettings
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.degradation.chain import degrade_photo
from pasd_batch.degradation.draws import Draws, GeneratorNoise
from pasd_batch.degradation.fading import fade, sample_fading
from pasd_batch.metrics.color_difference import mean_color_difference
from pasd_batch.pasd.color_reference import Palette, with_palette
from pasd_batch.pasd.restorer import Restoration

COLOR_PRINTS = OldPhotoSettings.parse({"tone": {"monochrome_probability": 0.0}})
LONGEST = 384
"""Pixels of a side of a half."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=16, help="photos, spread over the folder (default 16)")
    parser.add_argument("--whole-chain", action="store_true", help="all that old photos suffer, not fading alone")
    options = parser.parse_args()
    restorer = Restorer.from_settings(RestoreSettings.parse({"sampling": {"color_fix": "reference"}}))
    print("| photo | wavelet | reference | its own true palette |\n|---|---:|---:|---:|")
    differences: list[list[float]] = []
    for seed, (name, true, like) in enumerate(_halves(options.photos, options.count)):
        faded = avg_pool2d(_faded(true, seed, whole_chain=options.whole_chain)[None], 2)[0].mul(255).round() / 255
        (result,) = restorer.restore([faded], prompts=[""], seeds=[seed])
        assert isinstance(result, Restoration), result
        image = result.image[None]  # to which a palette is given last
        palettes = [Palette.of(each[None]) for each in (like, true)]
        results = [image, *(with_palette(image, palette).clamp(0, 1) for palette in palettes)]
        differences.append([_difference(each[0], true) for each in results])
        print(f"| {name} | {' | '.join(f'{each:.1f}' for each in differences[-1])} |", flush=True)
    means = np.mean(differences, axis=0)
    nearer = sum(with_reference < without for without, with_reference, _ in differences)
    print(f"| mean | {' | '.join(f'{each:.2f}' for each in means)} |\n\nnearer: {nearer} of {len(differences)}")


def _difference(result: Tensor, true: Tensor) -> float:
    return mean_color_difference(result.permute(1, 2, 0).numpy(), true.permute(1, 2, 0).numpy())


def _faded(true: Tensor, seed: int, *, whole_chain: bool) -> Tensor:
    if whole_chain:
        return degrade_photo(true, seed=seed, settings=COLOR_PRINTS).clamp(0, 1)
    generator = torch.Generator().manual_seed(seed)
    noise = GeneratorNoise(generator, device=torch.device("cpu"))
    return fade(true[None], [sample_fading(COLOR_PRINTS.tone, Draws(generator))], noise)[0]


def _halves(folder: Path, count: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Names of photos, their first halves with even sides, and their second halves; cut across the longer side."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for place in np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int):
        pixels = np.asarray(Image.open(paths[place]).convert("RGB"), np.float32) / 255
        photo = torch.from_numpy(pixels).permute(2, 0, 1)
        axis = 1 if photo.shape[1] > photo.shape[2] else 2
        first, second = (half[:, :LONGEST, :LONGEST] for half in photo.split(photo.shape[axis] // 2, axis)[:2])
        yield paths[place].name, first[:, : first.shape[1] // 2 * 2, : first.shape[2] // 2 * 2], second


if __name__ == "__main__":
    main()
