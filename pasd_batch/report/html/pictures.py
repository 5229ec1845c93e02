"""Pictures as they stand in a page: small, of one size, in a bounded number of bytes."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

MOST_BYTES = 4_200_000
"""Size of all pictures of a page together, as they stand in it."""

_SIDES = (480, 360, 240, 120)
"""Longest side of a shown picture in pixels; smaller ones for pictures that would take too many bytes."""

_QUALITIES = (82, 70, 55, 40, 25)


@dataclass(frozen=True)
class EncodedPictures:
    """Pictures of one photo as `data:` URIs; all have `width` x `height` pixels."""

    uris: tuple[str, ...]
    width: int
    height: int


def encoded_pictures(pictures: Sequence[np.ndarray], *, most_bytes: int) -> EncodedPictures:
    """Pictures at the last one's size, or smaller, encoded in at most about `most_bytes` together.

    Each is float32 (height, width, 3), sRGB in [0, 1].
    """
    for side in _SIDES[:-1]:
        found = _encoded(pictures, side, most_bytes)
        if sum(map(len, found.uris)) <= most_bytes:
            return found
    return _encoded(pictures, _SIDES[-1], most_bytes)


def _encoded(pictures: Sequence[np.ndarray], side: int, most_bytes: int) -> EncodedPictures:
    height, width = pictures[-1].shape[:2]
    factor = min(1.0, side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return EncodedPictures(
        tuple(_data_uri(_resized(picture, size), most_bytes // len(pictures)) for picture in pictures), *size
    )


def _resized(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    levels = np.clip(np.nan_to_num(picture) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(levels, "RGB").resize(size, Image.Resampling.LANCZOS)


def _data_uri(picture: Image.Image, most_bytes: int) -> str:
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality)
        data = buffer.getvalue()
        if len(data) * 4 // 3 <= most_bytes:
            break
    return "data:image/webp;base64," + base64.b64encode(data).decode()
