"""PNG files of 8 or 16 bits with what photos carry: EXIF, XMP, IPTC, ICC, resolution and texts."""

import zlib
from collections.abc import Sequence

import numpy as np

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.png_chunks import (
    iptc_chunk,
    png_chunk,
    resolution_chunk,
    text_chunk,
    xmp_chunk,
)
from pasd_batch.photos.resolution import Resolution
from pasd_batch.photos.texts import SOFTWARE, Text

_SIGNATURE_AND_HEADER = 33  # 8 bytes signature, IHDR of 13 bytes with 12 around it


def png_file(
    samples: np.ndarray,
    *,
    compression: int,
    software: str,
    exif: bytes,
    xmp: bytes,
    iptc: bytes | None,
    icc: bytes | None,
    resolution: Resolution | None,
    texts: Sequence[Text],
    warn: Warn,
) -> bytes:
    """Encode uint8 or uint16 samples (height, width) or (height, width, 2-4): grey, grey and alpha, RGB, RGBA.

    `compression` is zlib's 0-9; `exif` starts with the TIFF header, without `Exif\\0\\0`.
    """
    import imagecodecs

    # 0xF8: libpng tries all five row filters and takes the one that compresses best, as photos need.
    encoded = memoryview(imagecodecs.png_encode(samples, level=compression, filter=0xF8))
    chunks = [] if icc is None else [png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))]
    if resolution is not None:
        chunks.append(resolution_chunk(resolution, warn))
    chunks += [png_chunk(b"eXIf", exif), xmp_chunk(xmp)]
    if iptc is not None:
        chunks.append(iptc_chunk(iptc))
    chunks += [text_chunk(text) for text in (*texts, Text(SOFTWARE, software))]
    return b"".join([encoded[:_SIGNATURE_AND_HEADER], *chunks, encoded[_SIGNATURE_AND_HEADER:]])
