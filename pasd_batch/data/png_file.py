"""PNG files of 8 or 16 bits with what photos carry: EXIF, XMP, ICC and a plain text saying what wrote them."""

import struct
import zlib

import numpy as np

_SIGNATURE_AND_HEADER = 33  # 8 bytes signature, IHDR of 13 bytes with 12 around it


def png_file(
    samples: np.ndarray,
    *,
    compression: int,
    software: str,
    exif: bytes,
    xmp: bytes,
    icc: bytes | None,
) -> bytes:
    """Encode uint8 or uint16 samples (height, width) or (height, width, 2-4): grey, grey and alpha, RGB, RGBA.

    `compression` is zlib's 0-9; `exif` starts with the TIFF header, without `Exif\\0\\0`.
    """
    import imagecodecs

    # 0xF8: libpng tries all five row filters and takes the one that compresses best, as photos need.
    encoded = bytes(imagecodecs.png_encode(samples, level=compression, filter=0xF8))
    chunks = [] if icc is None else [_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))]
    chunks += [
        _chunk(b"eXIf", exif),
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        _chunk(b"tEXt", b"Software\0" + software.encode("latin-1", "replace")),
    ]
    return encoded[:_SIGNATURE_AND_HEADER] + b"".join(chunks) + encoded[_SIGNATURE_AND_HEADER:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
