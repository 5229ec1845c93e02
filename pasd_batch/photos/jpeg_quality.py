"""Quality of a JPEG file, estimated from its quantisation tables (ITU-T T.81, B.2.4.1).

The Independent JPEG Group's quality, 1 to 100, is a factor on the tables of T.81's annex K (`jpeg_quality_scaling` and
`jpeg_add_quant_table` of libjpeg); most programs write these. Cameras and Photoshop have tables of their own.
"""

import struct
from dataclasses import dataclass
from functools import cache

import numpy as np

from pasd_batch.photos.jpeg_segments import segments

_DQT = 0xDB
_COEFFICIENTS = 64
_BASELINE = 255

_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29),
    *(51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121),
    *(120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)
_ZIGZAG = np.array(
    sorted(range(_COEFFICIENTS), key=lambda at: (at // 8 + at % 8, (at // 8 if (at // 8 + at % 8) % 2 else at % 8)))
)
"""Places, by rows, of a file's 64 numbers in their order."""


@dataclass(frozen=True)
class JpegQuality:
    """Quality of a JPEG file: 1 to 100, the IJG's, or the one whose luma table is most alike.

    `is_standard`: all tables of the file are the IJG's for just this quality.
    """

    value: int
    is_standard: bool


def jpeg_quality(file: bytes) -> JpegQuality | None:
    """Quality of a JPEG file by the tables before its pixels; None if it has none, such as JPEG-LS, or is no JPEG."""
    tables = _tables(file)
    if not tables:
        return None
    luma = tables[min(tables)]
    standards = _standards()
    distances = np.abs(np.log(luma) - np.log(standards[:, 0])).sum(axis=1)
    nearest = int(distances.argmin())
    is_standard = bool((luma == standards[nearest, 0]).all()) and all(
        bool((table == standards[nearest]).all(axis=1).any()) for table in tables.values()
    )
    return JpegQuality(nearest + 1, is_standard)


def _tables(file: bytes) -> dict[int, np.ndarray]:
    """Tables by number, 64 positive integers by rows; the last of a number counts. What is malformed is left out."""
    found = dict[int, np.ndarray]()
    if not file.startswith(b"\xff\xd8"):
        return found
    for _, marker, body in segments(file):
        at = 0
        while marker == _DQT and at < len(body):
            bits, number = divmod(body[at], 16)
            kind, size = (">64H", 128) if bits else (">64B", 64)
            if at + 1 + size > len(body):
                break
            values = struct.unpack_from(kind, body, at + 1)
            if min(values) > 0:
                found[number] = np.empty(_COEFFICIENTS, dtype=np.int64)
                found[number][_ZIGZAG] = values
            at += 1 + size
    return found


@cache
def _standards() -> np.ndarray:
    """int64 (100, 2, 64): for each quality the tables of luma and chroma, limited to 8 bits as nearly all have them."""
    base = np.array([_LUMINANCE, _CHROMINANCE], dtype=np.int64)
    factors = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)]
    return np.stack([np.clip((base * factor + 50) // 100, 1, _BASELINE) for factor in factors])
