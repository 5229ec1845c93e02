"""Decoded samples of any depth and channel layout as floating-point colour and transparency.

8-bit photos are decoded by Pillow. Pillow reads 16-bit colour at 8 bits and does not know floating-point colour or
inverted 16-bit grey, so PNG, AVIF and TIFF with more than 8 bits come from imagecodecs and tifffile, HEIC from
pillow-heif.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from pasd_batch.data.color_profile import cmyk_to_rgb
from pasd_batch.data.photo_errors import CorruptPhoto, TruncatedPhoto, UnsupportedPhoto, Warn
from pasd_batch.data.photo_format import SourceFormat

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_CHANNELS_USED = 4
_SIGNED, _FLOAT = 2, 3
_PREMULTIPLIED, _SEPARATE = 1, 2
_AV1_CONFIGURATION, _HIGH_BIT_DEPTH, _TWELVE_BIT = b"av1C", 0x40, 0x20


@dataclass(frozen=True, eq=False)
class Raster:
    """A photo's samples as stored (not yet turned upright, in the colour space of its own profile).

    Attributes:
        color: float32 (height, width, 1 or 3) in [0, 1]; grey or RGB.
        alpha: float32 (height, width) in [0, 1], not multiplied into `color`; None if there is none.
        bit_depth: 8 or 16.
        is_srgb: the source's own colour space was already left (CMYK, Lab), its profile no longer applies.
    """

    color: np.ndarray
    alpha: np.ndarray | None
    bit_depth: int
    is_srgb: bool = False


def raster_from_pillow(image: Image.Image, icc: bytes | None) -> Raster:
    """An 8-bit image of any mode: palette, 1-bit, premultiplied, CMYK and Lab included; colour keys become alpha.

    Raises:
        UnsupportedPhoto: a mode that is none of these.
        UnusableProfile: a CMYK photo with a damaged profile, or one of another colour space.
    """
    if image.mode == "CMYK":
        return _from_channels(np.asarray(cmyk_to_rgb(image, icc)), is_srgb=True)
    if image.mode == "LAB":
        return _from_channels(np.asarray(_lab_to_rgb(image)), is_srgb=True)
    keyed = "transparency" in image.info
    match image.mode:
        case "1" | "L" | "LA" | "La":
            mode = "LA" if keyed or image.mode in ("LA", "La") else "L"
        case "P" | "RGB" | "RGBX" | "YCbCr" | "HSV":
            mode = "RGBA" if keyed else "RGB"
        case "PA" | "RGBA" | "RGBa":
            mode = "RGBA"
        case other:
            raise UnsupportedPhoto(f"pixels of mode {other} are not read; save the photo as 8- or 16-bit RGB")
    return _from_channels(np.asarray(image if image.mode == mode else image.convert(mode)))


def deep_raster(data: bytes, kind: SourceFormat, warn: Warn, *, frames: int) -> Raster | None:
    """PNG and AVIF samples that Pillow would read at 8 bits, not turned upright; None where it loses none."""
    if kind is SourceFormat.PNG and data[24] == 16:
        return raster_from_png(data)
    if kind is SourceFormat.AVIF and (bits := avif_bits(data)) > 8:
        if frames == 1:
            return raster_from_avif(data, bits)
        # imagecodecs writes all pictures of an animation where it has room for one.
        warn(f"the photo keeps 8 of its {bits} bits: it is the first picture of an animation")
    return None


def raster_from_png(data: bytes) -> Raster:
    """A PNG with 16 bits per channel; colour keys become alpha."""
    import imagecodecs

    return _from_channels(np.asarray(imagecodecs.png_decode(data)))


def avif_bits(data: bytes) -> int:
    """Bits per channel of an AVIF file (8, 10 or 12), from its first picture's AV1 configuration; 8 if it has none."""
    box = data.find(_AV1_CONFIGURATION)
    flags = data[box + 6] if 0 <= box < len(data) - 6 else 0
    if not flags & _HIGH_BIT_DEPTH:
        return 8
    return 12 if flags & _TWELVE_BIT else 10


def raster_from_avif(data: bytes, bits: int) -> Raster:
    """An AVIF of one picture with more than 8 bits per channel, not turned as its container says."""
    import imagecodecs

    samples = np.asarray(imagecodecs.avif_decode(data, index=0))
    return _from_channels(samples, bits=bits if samples.dtype == np.uint16 else 8)


def raster_from_tiff(data: bytes) -> Raster:
    """The first page of a grey or RGB TIFF with more than 8 bits per channel: integers, signed ones, or floats."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > len(data):
            raise TruncatedPhoto(f"the TIFF file has {len(data):,} of {max(ends):,} bytes; fetch it again")
        samples = page.asarray()
        if page.axes.startswith("S"):  # planes one after the other
            samples = np.moveaxis(samples, 0, -1)
        if samples.ndim not in (2, 3):
            raise UnsupportedPhoto(f"a TIFF page with axes {page.axes} is not a photo; save it as one flat image")
        if samples.ndim == 3:
            samples = samples[..., :_CHANNELS_USED]  # colour and the first further one, which may be transparency
        values = _normalised(samples, int(page.sampleformat), int(page.bitspersample))
        photometric = int(page.photometric)
        extra = tuple(int(kind) for kind in page.extrasamples)
    if photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        raise UnsupportedPhoto(f"16-bit TIFF of photometric {photometric} is not read; save it as RGB")
    channels = values if values.ndim == 3 else values[..., np.newaxis]
    raster = _split_alpha(channels, 3 if photometric == _RGB else 1, extra)
    color = 1.0 - raster.color if photometric == _MIN_IS_WHITE else raster.color
    return Raster(color, raster.alpha, 16)


def raster_from_heif(file: Any) -> Raster:
    """A photo opened with `open_heif`, with 16 bits if it has more than 8; the format turns it upright itself."""
    return _from_channels(np.asarray(file))


def open_heif(data: bytes) -> Any:
    """pillow-heif's `HeifFile`, whose pixels are not decoded yet.

    Raises:
        UnsupportedPhoto: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise UnsupportedPhoto(
            "HEIC needs another package: pip install 'pasd-batch[heif]', or convert the photo to JPEG"
        ) from None
    return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)


def _from_channels(samples: np.ndarray, *, bits: int | None = None, is_srgb: bool = False) -> Raster:
    values = _normalised(samples, 1, bits or samples.dtype.itemsize * 8)
    channels = values if values.ndim == 3 else values[..., np.newaxis]
    colors = 1 if channels.shape[2] < 3 else 3
    raster = _split_alpha(channels, colors, ())
    return Raster(raster.color, raster.alpha, 8 if samples.dtype == np.uint8 else 16, is_srgb)


def _split_alpha(channels: np.ndarray, colors: int, extra: tuple[int, ...]) -> Raster:
    """Colour and the first extra channel, if it is (or, undeclared, must be) transparency."""
    if channels.shape[2] < colors:
        raise CorruptPhoto(f"{channels.shape[2]} channels are too few for a photo of {colors}")
    color, alpha = channels[..., :colors], None
    kind = extra[0] if extra else _SEPARATE
    if channels.shape[2] > colors and kind in (_PREMULTIPLIED, _SEPARATE):
        alpha = np.ascontiguousarray(channels[..., colors])
        if kind == _PREMULTIPLIED:
            color = np.clip(color / np.maximum(alpha, 1e-6)[..., np.newaxis], 0.0, 1.0)
    return Raster(np.ascontiguousarray(color), alpha, 16)


def _normalised(samples: np.ndarray, sample_format: int, bits: int) -> np.ndarray:
    """Samples as float32 in [0, 1]: integers by the largest their bits can hold, negative ones as 0.

    Floats are taken as 0 to 1; if some are larger, as 0 to 255 or 0 to 65535, whichever holds them all.
    """
    if sample_format == _FLOAT:
        return _normalised_floats(samples)
    if samples.dtype.kind == "u" and bits <= 16:
        return np.divide(samples, np.float32(2**bits - 1), dtype=np.float32)
    largest = 2 ** (bits - 1) - 1 if sample_format == _SIGNED else 2**bits - 1
    return np.clip(samples.astype(np.float64) / largest, 0.0, 1.0).astype(np.float32)


def _normalised_floats(samples: np.ndarray) -> np.ndarray:
    if not np.isfinite(samples).all():
        raise CorruptPhoto("some pixels are not finite numbers; replace them and save the photo again")
    peak = float(samples.max(initial=0.0))
    scale = next((scale for scale in (1.0, 255.0, 65535.0) if peak <= scale), None)
    if scale is None:
        raise UnsupportedPhoto(f"floating-point pixels up to {peak:g}; scale them to between 0 and 1")
    return np.clip(samples / scale, 0.0, 1.0).astype(np.float32)


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    if converted is None:
        raise CorruptPhoto("LittleCMS gave no picture for a Lab photo")
    return converted
