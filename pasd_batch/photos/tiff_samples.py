"""Pages of TIFF files whose samples are stored as they are or losslessly packed, read by tifffile."""

import struct
from typing import Any

import numpy as np
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoder_errors import warn_of_damage
from pasd_batch.photos.errors import CorruptPhoto, UnsupportedPhoto, Warn
from pasd_batch.photos.pillow_image import pillow_raster
from pasd_batch.photos.raster import (
    Raster,
    largest_sample,
    raster_from_channels,
    raster_from_samples,
    transparent_channel,
)
from pasd_batch.photos.tiff_damage import warn_of_jpeg_damage

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR, _CIE_LAB, _ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
_NO_COLORS = (_MIN_IS_WHITE, _MIN_IS_BLACK)
_FAX_OR_OLD_JPEG, _JPEG_2000 = (2, 3, 4, 6), (33003, 33004, 33005, 34712)
LZW, _JPEG, _IN_PLANES, _PREMULTIPLIED = 5, 7, 2, 1
_PHOTOMETRIC, _SUBSAMPLING = 262, 530
_TOO_LONG = ("INSUFFICIENT_SPACE", "OUTPUT_TOO_SMALL")  # as imagecodecs' deflate and PackBits say it


def raster_from_tiff_page(page: Any, data: bytes, icc: bytes | None, limits: DecodeLimits, warn: Warn) -> Raster | None:
    """The photo of a tifffile page; None if it is of a kind that Pillow reads as well or better.

    Pillow is left fax, old JPEG, YCbCr that is not in JPEG, and what libtiff alone unpacks. It misreads planes of Lab,
    of deep CMYK and of grey with transparency, and reads no colour of fewer than 8 bits.

    Raises:
        UnsupportedPhoto: a kind that neither reads.
    """
    kind, compression = int(page.photometric), int(page.compression)
    if is_left_to_pillow(page):
        if kind == _YCBCR:
            _check_pillow_reads(page, is_big=page.parent.is_bigtiff)
        return None
    if compression in _JPEG_2000:  # RGB or YCbCr, which files do not specify
        raise UnsupportedPhoto("a TIFF in JPEG 2000; save it with another compression")
    if kind == _YCBCR:
        kind = _RGB  # tifffile converts it
    samples = _samples(page, data, limits, warn)
    if samples is None:
        return None
    if kind in (*_NO_COLORS, _RGB):
        return _raster_from_gray_or_rgb(page, samples, kind, warn)
    if kind == _PALETTE and page.colormap is not None:
        return _raster_from_palette(page, samples)
    if kind == _SEPARATED:
        return _raster_from_cmyk(page, samples, icc, warn)
    if kind in (_CIE_LAB, _ICC_LAB):
        return _raster_from_lab(page, samples, icc, warn)
    raise UnsupportedPhoto(f"a TIFF of {getattr(page.photometric, 'name', kind)} pixels; save it as RGB")


def is_left_to_pillow(page: Any) -> bool:
    """True if Pillow reads a page as well as tifffile, or better."""
    import tifffile

    compression = int(page.compression)
    if int(page.photometric) == _YCBCR:
        return compression != _JPEG
    is_tifffiles = compression in tifffile.TIFF.DECOMPRESSORS and compression not in _FAX_OR_OLD_JPEG
    return not (page.parent.is_bigtiff or is_tifffiles or compression in _JPEG_2000)


def _check_pillow_reads(page: Any, *, is_big: bool) -> None:
    """Refuse YCbCr that comes out wrong: in planes, or with coarser colours than brightness."""
    is_apart = page.planarconfig == _IN_PLANES or tuple(page.tags.valueof(_SUBSAMPLING, (2, 2))) != (1, 1)
    if is_big or is_apart:
        raise UnsupportedPhoto("a TIFF of YCbCr pixels that are not in JPEG; save it as RGB")


def _samples(page: Any, data: bytes, limits: DecodeLimits, warn: Warn) -> np.ndarray | None:
    """The page's samples (height, width, channels); None if there are more than declared, which only libtiff
    accepts."""
    if int(page.compression) == LZW:
        return _samples_by_libtiff(page, data)
    if int(page.compression) == _JPEG:
        warn_of_jpeg_damage(page, limits, warn)
    try:
        planes = page.asarray(squeeze=False)  # (planes, depth, height, width, channels within a plane)
    except RuntimeError as error:
        if page.bitspersample > 8 or page.parent.is_bigtiff or not any(words in str(error) for words in _TOO_LONG):
            raise
        warn_of_damage("the TIFF file holds more than its photo, part of which may be wrong", limits, warn)
        return None
    if planes.shape[1] != 1:
        raise UnsupportedPhoto(f"a TIFF page of {planes.shape[1]} slices is not a photo; save it as one flat image")
    samples = planes[:, 0]
    samples = samples[0] if len(samples) == 1 else np.moveaxis(samples[..., 0], 0, -1)
    return samples.astype(np.uint8) if samples.dtype == bool else samples


def _samples_by_libtiff(page: Any, data: bytes) -> np.ndarray:
    """The samples of a page in LZW, (height, width, channels): tifffile's decoder of it crashes on damaged files."""
    import imagecodecs

    changed = bytearray(data)
    order, is_big = page.parent.byteorder, page.parent.is_bigtiff
    struct.pack_into(f"{order}{'Q' if is_big else 'I'}", changed, 8 if is_big else 4, page.offset)  # as the only page
    if int(page.photometric) == _SEPARATED:  # which it would convert: inks are taken for RGB and a further channel
        struct.pack_into(f"{order}H", changed, page.tags[_PHOTOMETRIC].valueoffset, _RGB)
    samples = np.asarray(imagecodecs.tiff_decode(changed, index=0))
    samples = samples.astype(np.uint8) if samples.dtype == bool else samples
    if samples.ndim == 2:
        return samples[..., np.newaxis]
    return np.moveaxis(samples, 0, -1) if page.planarconfig == _IN_PLANES else samples


def _raster_from_gray_or_rgb(page: Any, samples: np.ndarray, kind: int, warn: Warn) -> Raster:
    """A page of any depth: integers, signed ones, or floats."""
    colors = 1 if kind in _NO_COLORS else 3
    samples, extra = _used_channels(page, samples, colors, warn)
    largest = largest_sample(samples, int(page.sampleformat), int(page.bitspersample), warn)
    raster = raster_from_samples(samples, largest, colors, extra)
    raster.bit_depth = _depth(page)
    if kind == _MIN_IS_WHITE:
        np.subtract(1.0, raster.color, out=raster.color)
    return raster


def _used_channels(page: Any, samples: np.ndarray, colors: int, warn: Warn) -> tuple[np.ndarray, tuple[int, ...]]:
    """Colours and, where there is one, transparency; and what the latter is by TIFF's ExtraSamples."""
    extra = tuple(int(kind) for kind in page.extrasamples)
    count = max(0, samples.shape[2] - colors)
    place = transparent_channel(count, extra)
    left_out = count - (place is not None)
    if left_out:
        warn(f"{left_out} of {samples.shape[2]} channels are left out: neither colour nor transparency")
    if place is None:
        return samples[..., :colors], ()
    used = samples[..., : colors + 1] if place == 0 else samples[..., [*range(colors), colors + place]]
    return used, (extra[place],) if extra else ()


def _raster_from_palette(page: Any, samples: np.ndarray) -> Raster:
    """A page of numbers of colours, which have 16 bits in the file and were of 8."""
    colors = np.asarray(page.colormap >> 8, dtype=np.uint8).T
    number = int(samples[..., 0].max(initial=0))
    if number >= len(colors):
        raise CorruptPhoto(f"a TIFF palette of {len(colors)} colors has no number {number}; fetch it again")
    return raster_from_channels(colors[samples[..., 0]])


def _raster_from_cmyk(page: Any, samples: np.ndarray, icc: bytes | None, warn: Warn) -> Raster:
    """CMYK at 8 bits, at which LittleCMS converts it."""
    inks, alpha = _of_8_or_16_bits(page, samples, "CMYK", 4, warn)
    if inks.dtype == np.uint16:
        warn("the photo keeps 8 of its 16 bits: it is converted from CMYK")
        inks = np.rint(inks / np.float32(257)).astype(np.uint8)
    raster = pillow_raster(Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes()), icc, warn)
    raster.alpha = alpha
    return raster


def _raster_from_lab(page: Any, samples: np.ndarray, icc: bytes | None, warn: Warn) -> Raster:
    """Lab at 8 bits; a and b are signed in CIELab, and have half the range added in ICCLab (TIFF supplements 1, 2)."""
    lab, alpha = _of_8_or_16_bits(page, samples, "Lab", 3, warn)
    is_signed = int(page.photometric) == _CIE_LAB
    if lab.dtype == np.uint16:
        warn("the photo keeps 8 of its 16 bits: it is converted from Lab")
        white = 65535 if is_signed else 65280
        lightness = np.rint(lab[..., :1] * np.float32(255 / white))
        hues = lab[..., 1:].view(np.int16) if is_signed else lab[..., 1:]
        lab = np.concatenate([lightness, np.floor(hues / np.float32(256)) % 256], axis=2).clip(0, 255)
    lab = lab.astype(np.uint8)
    if not is_signed:
        lab[..., 1:] ^= 128  # to what Pillow takes: CIELab's signed numbers
    raster = pillow_raster(Image.frombytes("LAB", (lab.shape[1], lab.shape[0]), lab.tobytes()), icc, warn)
    raster.alpha = alpha
    return raster


def _of_8_or_16_bits(
    page: Any, samples: np.ndarray, name: str, colors: int, warn: Warn
) -> tuple[np.ndarray, np.ndarray | None]:
    """The colours, contiguous and not multiplied by transparency, and transparency in [0, 1] if there is one."""
    if page.bitspersample not in (8, 16) or samples.dtype.kind not in "ui" or samples.shape[2] < colors:
        raise UnsupportedPhoto(
            f"a {name} TIFF of {samples.shape[2]} channels of {page.bitspersample} bits; "
            f"save it with {colors} of 8 or 16 bits"
        )
    used, extra = _used_channels(page, samples, colors, warn)
    used = used.view(f"u{samples.itemsize}") if samples.dtype.kind == "i" else used
    if used.shape[2] == colors:
        return np.ascontiguousarray(used), None
    largest = 2**page.bitspersample - 1
    alpha = (used[..., colors] / np.float32(largest)).astype(np.float32)
    if extra != (_PREMULTIPLIED,) or name == "Lab":
        return np.ascontiguousarray(used[..., :colors]), alpha
    inks = used[..., :colors] / np.maximum(alpha, 1e-6)[..., np.newaxis]
    return np.rint(inks).clip(0, largest).astype(used.dtype), alpha


def _depth(page: Any) -> int:
    return 16 if page.bitspersample > 8 else 8
