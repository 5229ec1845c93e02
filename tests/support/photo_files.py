"""Photo files of all kinds, made in memory."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from PIL import Image


def picture(height: int = 24, width: int = 40, channels: int = 3) -> np.ndarray:
    """Smooth, with no symmetry, so that a turn or a swapped channel shows. uint8 (height, width, channels)."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 9, columns * 6, (rows + 2 * columns) * 2, 255 - rows * 5 - columns]
    return np.stack(planes[:channels], axis=2).clip(0, 255).astype(np.uint8)


def deep_picture(channels: int = 3) -> np.ndarray:
    """The same with 16 bits, low ones set. uint16 (24, 40, channels)."""
    return picture(channels=channels).astype(np.uint16) * 255 + 77


def saved(image: Image.Image, name: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def tiff(samples: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def png16(samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def avif(samples: np.ndarray, **options) -> bytes:
    return imagecodecs.avif_encode(samples, level=100, pixelformat="400" if samples.ndim == 2 else "444", **options)


def heif(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=-1, chroma=444, **options)
    return file.getvalue()
