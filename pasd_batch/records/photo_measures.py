"""Measures of a photo as fetched that `mode: audit` adds to its row, from its pixels and its file."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pasd_batch.records.columns import columns_of, result_column


@dataclass(frozen=True, kw_only=True)
class PhotoMeasures:
    """Measures of a photo; None where they cannot be told."""

    brightness_01: float = result_column(pa.float64(), "1 % quantile of brightness, 0 (black) to 1 (white).")
    brightness_05: float = result_column(pa.float64(), "5 % quantile of brightness.")
    brightness_95: float = result_column(pa.float64(), "95 % quantile of brightness.")
    brightness_99: float = result_column(pa.float64(), "99 % quantile of brightness.")
    entropy: float = result_column(pa.float64(), "Entropy of the levels' histogram, bits: 0 for a plain photo.")
    chroma: float = result_column(pa.float64(), "99 % quantile of chroma in CIELAB; below 3: grey to the eye.")
    cast: float | None = result_column(
        pa.float64(),
        "2 % quantile of chroma, without what is dark or white: what even the least colourful parts have.",
    )
    cast_a: float = result_column(pa.float64(), "Mean of CIELAB's a*: green below 0, magenta above.")
    cast_b: float = result_column(pa.float64(), "Mean of CIELAB's b*: blue below 0, yellow above.")
    screen: float | None = result_column(
        pa.float64(), "Largest autocorrelation of the fine structure at 3 to 12 pixels: near 1 for a printed screen."
    )
    border_left: int = result_column(pa.int32(), "Pixels of a plain border at the left edge.")
    border_top: int = result_column(pa.int32(), "Pixels of a plain border at the top edge.")
    border_right: int = result_column(pa.int32(), "Pixels of a plain border at the right edge.")
    border_bottom: int = result_column(pa.int32(), "Pixels of a plain border at the bottom edge.")
    grayscale: bool = result_column(pa.bool_(), "All channels are equal.")
    bit_depth: int = result_column(pa.int32(), "Bits a channel as the file has them, as in the results.")
    transparent: bool = result_column(pa.bool_(), "The file has transparency.")
    colors: str = result_column(
        pa.string(),
        "Source of the colours: `profile` (ICC), `ignored` (an ICC profile that cannot be used), `stated` (otherwise, "
        "in the file), `converted` (inks, CIELAB) or `none` (nothing is said; sRGB is taken).",
    )
    profile: str | None = result_column(pa.string(), "Name of the ICC profile that is used.")
    camera: str | None = result_column(pa.string(), "Maker and model of the camera or scanner, by EXIF.")
    taken_at: datetime | None = result_column(
        pa.timestamp("us"), "Time at which the photo was taken or scanned, by EXIF; the camera's local time."
    )
    orientation: int = result_column(pa.int32(), "EXIF's orientation: 1 is upright, 2 to 8 are turned or mirrored.")
    pixel_hash: str = result_column(pa.string(), "SHA-256 (hex) of size and pixels: equal for equal pictures.")
    perceptual_hash: str = result_column(pa.string(), "64-bit pHash (hex): alike for pictures that look alike.")


AUDIT_TYPE = pa.struct([(column.name, column.type) for column in columns_of(PhotoMeasures)])
"""Type of a column of measures; its fields are those of `PhotoMeasures`."""
