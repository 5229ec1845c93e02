"""Colour spaces stated without an ICC profile: CICP codes of ITU-T H.273 (`nclx` in HEIC and AVIF, PNG's cICP), PNG's
gAMA and cHRM, or a camera's Adobe RGB (DCF 2.0).
"""

import struct
from dataclasses import dataclass

import numpy as np

from pasd_batch.photos.color_space import Primaries
from pasd_batch.photos.errors import Warn
from pasd_batch.photos.exif_colors import is_adobe_rgb, says_srgb
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.heif_items import main_properties
from pasd_batch.photos.png_chunks import header_chunks
from pasd_batch.photos.tiff_directory import read_directories
from pasd_batch.photos.transfer_functions import SRGB, TRANSFERS, Transfer, power

_D65, _C, _DCI, _E = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351), (1 / 3, 1 / 3)
BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_SMPTE_170M = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
PRIMARIES = {
    1: BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE_170M,
    7: _SMPTE_170M,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _E),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
"""By H.273's ColourPrimaries (table 2)."""

ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
_ADOBE_GAMMA = 563 / 256
_UNSPECIFIED = 2
_COLOR_CHUNKS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
_SRGB_GAMMA = 45455
_SAME_GAMMA = 0.01


@dataclass(frozen=True)
class StatedColors:
    """Colour space and transfer function of a file's numbers.

    Attributes:
        primaries: of the colour space.
        transfer: from encoded values to light.
        is_narrow: whether black is 16 and white 235 of 255 (PNG only; decoders of HEIC and AVIF undo it themselves).
    """

    primaries: Primaries
    transfer: Transfer
    is_narrow: bool = False

    def in_srgb_curve(self, color: np.ndarray, *, bits: int) -> np.ndarray:
        """Float32 colours (height, width, 1 or 3) in [0, 1], of the same primaries, encoded as sRGB is."""
        if self.is_narrow:
            step = 2.0 ** (bits - 8) / (2.0**bits - 1.0)
            color = np.clip((color - np.float32(16.0 * step)) / np.float32(219.0 * step), 0.0, 1.0)
        return self.transfer.in_srgb_curve(color)


def stated_colors(data: bytes, kind: SourceFormat, warn: Warn, *, exif: bytes | None = None) -> StatedColors | None:
    """Colour space that a file states other than by an ICC profile (JPEG: in EXIF); None if none, or sRGB."""
    match kind:
        case SourceFormat.JPEG:
            if exif is None or not is_adobe_rgb(read_directories(exif, lambda _: None)):
                return None
            warn("the photo's colours are taken as Adobe RGB's: its EXIF says so, and it has no ICC profile")
            return StatedColors(ADOBE_RGB, power(_ADOBE_GAMMA))
        case SourceFormat.PNG:
            return _of_png(data, warn)
        case SourceFormat.HEIF | SourceFormat.AVIF:
            codes = next((box for name, box in main_properties(data) if name == b"colr" and box[:4] == b"nclx"), None)
            return None if codes is None or len(codes) < 10 else _by_codes(*struct.unpack_from(">HH", codes, 4), warn)
        case _:
            return None


def states_any_colors(data: bytes, kind: SourceFormat, *, exif: bytes | None = None) -> bool:
    """True if the file states its colour space, sRGB included, other than by an ICC profile."""
    match kind:
        case SourceFormat.PNG if any(name in _COLOR_CHUNKS for name, _ in header_chunks(data)):
            return True
        case SourceFormat.HEIF | SourceFormat.AVIF if any(
            name == b"colr" and box[:4] == b"nclx" for name, box in main_properties(data)
        ):
            return True
        case _:
            return exif is not None and says_srgb(read_directories(exif, lambda _: None))


def _by_codes(primaries: int, transfer: int, warn: Warn, *, is_narrow: bool = False) -> StatedColors | None:
    unknown = [
        f"{what} {code}"
        for what, code, known in (("primaries", primaries, PRIMARIES), ("transfer function", transfer, TRANSFERS))
        if code not in known and code != _UNSPECIFIED
    ]
    if unknown:
        warn(f"the photo's colours are taken as sRGB's: ITU-T H.273 has no {' and no '.join(unknown)}")
    stated = StatedColors(PRIMARIES.get(primaries, BT709), TRANSFERS.get(transfer, SRGB), is_narrow)
    if stated.transfer.is_hdr:
        warn(
            f"the photo is HDR ({stated.transfer.name}) and was brought to SDR: 203 cd/m² are white (ITU-R BT.2408), "
            "what is brighter is compressed (BT.2390)"
        )
    return None if stated == StatedColors(BT709, SRGB) else stated


def _of_png(data: bytes, warn: Warn) -> StatedColors | None:
    chunks = {name: content for name, content in header_chunks(data) if name in _COLOR_CHUNKS}
    try:
        if b"cICP" in chunks:
            primaries, transfer, _, is_full = struct.unpack(">4B", chunks[b"cICP"])
            return _by_codes(primaries, transfer, warn, is_narrow=not is_full)
        if b"iCCP" in chunks or b"sRGB" in chunks:
            return None
        primaries, transfer = BT709, SRGB
        if b"cHRM" in chunks:
            white, red, green, blue = _pairs(struct.unpack(">8I", chunks[b"cHRM"]))
            primaries = Primaries(red, green, blue, white)
            primaries = BT709 if primaries.is_srgb else primaries
        if b"gAMA" in chunks:
            (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
            if not 1000 <= gamma <= 1_000_000:
                raise ValueError(f"a gamma of {gamma / 100000:g}")
            # 1/2.2 is how sRGB is written in gAMA (PNG 3, table 17): it stands for sRGB's own curve.
            transfer = SRGB if abs(gamma / _SRGB_GAMMA - 1.0) < _SAME_GAMMA else power(100000 / gamma)
    except (ValueError, struct.error) as error:
        warn(f"the PNG file's colour chunks make no sense and are ignored: {error}")
        return None
    return None if primaries == BT709 and transfer == SRGB else StatedColors(primaries, transfer)


def _pairs(numbers: tuple[int, ...]) -> list[tuple[float, float]]:
    return [(x / 100000, y / 100000) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
