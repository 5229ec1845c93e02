"""Photos packed small for a training elsewhere: one WebDataset tar of AVIF files, with their captions.

    python benchmarks/pack_photos.py photos/train photos/train.tar [--side 1024] [--quality 83] [--captions FILE]

Larger photos are scaled to `--side` pixels on their longer side. AVIF 4:4:4 of quality 83 is about 41 dB and a fifth of
a byte a pixel. The captions are a CSV with the columns `uri` (file name) and `prompt`. A training reads the tar with
`data.sources=[{kind: webdataset, path: photos/train.tar}]`.
"""

import argparse
import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pasd_batch.photos.photo_io import PhotoError, decode_photo

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif"})


def main() -> None:
    options = parse_arguments()
    captions = read_captions(options.captions) if options.captions else {}
    paths = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise SystemExit(f"{options.photos}: no photos; name a folder of photos")
    pixels = 0
    with tarfile.open(options.tar, "w") as tar:
        for name, picture in pictures(paths, options.side):
            pixels += picture.width * picture.height
            add(tar, f"{name}.avif", encoded(picture, options.quality))
            if caption := captions.get(name):
                add(tar, f"{name}.txt", caption.encode())
    size = options.tar.stat().st_size
    print(f"{len(paths)} photos, {pixels / 1e6:.1f} megapixels, {size / 2**20:.1f} MiB in {options.tar}")


def pictures(paths: list[Path], side: int) -> Iterator[tuple[str, Image.Image]]:
    """Names without dots, and photos of at most so many pixels a side, upright and in sRGB."""
    for path in paths:
        try:
            photo = decode_photo(path.read_bytes())
        except PhotoError as error:
            raise SystemExit(f"{path}: {error}") from error
        picture = Image.fromarray(np.rint(photo.pixels * 255.0).astype(np.uint8))
        factor = side / max(picture.size)
        if factor < 1.0:
            width, height = (max(1, round(length * factor)) for length in picture.size)
            picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        yield path.stem.replace(".", "-"), picture


def encoded(picture: Image.Image, quality: int) -> bytes:
    """The picture as an AVIF file with full colour resolution."""
    file = io.BytesIO()
    picture.save(file, "AVIF", quality=quality, subsampling="4:4:4")
    return file.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file, without anything of this machine."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def read_captions(path: Path) -> dict[str, str]:
    """Captions by the photos' names without suffix."""
    with path.open(encoding="utf-8", newline="") as file:
        return {Path(row["uri"]).stem.replace(".", "-"): row["prompt"] for row in csv.DictReader(file)}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("tar", type=Path, help="file that is written")
    parser.add_argument("--side", type=int, default=1024, help="longest side, pixels")
    parser.add_argument("--quality", type=int, default=83, help="AVIF's quality")
    parser.add_argument("--captions", type=Path, help="CSV with the columns uri and prompt")
    return parser.parse_args()


if __name__ == "__main__":
    main()
