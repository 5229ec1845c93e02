"""Pages of TIFF files whose samples are stored as they are or losslessly packed, read by tifffile."""

import math
import struct
from typing import Any

import numpy as np
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.decoder_errors import tell_damage
from pasd_batch.data.photo_errors import CorruptPhoto, TruncatedPhoto, UnsupportedPhoto, Warn
from pasd_batch.data.pillow_image import pillow_raster
from pasd_batch.data.raster import Raster, largest_sample, raster_from_channels, raster_from_samples

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR, _CIE_LAB, _ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
_NO_COLORS = (_MIN_IS_WHITE, _MIN_IS_BLACK)
_LOSSLESS = (1, 5, 8, 32773, 32946)  # none, LZW, deflate, PackBits, deflate's old number
_LZW, _JPEG, _IN_PLANES = 5, 7, 2
_PHOTOMETRIC, _SUBSAMPLING = 262, 530
_CHANNELS_USED = 4
_TOO_LONG = ("INSUFFICIENT_SPACE", "OUTPUT_TOO_SMALL")  # as imagecodecs' deflate and PackBits say it


def raster_from_tiff_page(page: Any, data: bytes, icc: bytes | None, limits: DecodeLimits, warn: Warn) -> Raster | None:
    """The photo of a tifffile page; None if it is of a kind that Pillow reads as well or better.

    Pillow is left fax, JPEG, YCbCr, and what libtiff alone unpacks. It misreads planes of Lab, of deep CMYK and of
    grey with transparency, and reads no colour of fewer than 8 bits.

    Raises:
        UnsupportedPhoto: a kind that neither reads.
    """
    kind, is_big = int(page.photometric), page.parent.is_bigtiff
    if kind == _YCBCR and is_big and int(page.compression) == _JPEG:
        kind = _RGB  # tifffile converts it
    if kind == _YCBCR:
        _check_pillow_reads(page, is_big=is_big)
        return None
    if not (page.bitspersample > 8 or is_big or int(page.compression) in _LOSSLESS):
        return None
    samples = _samples(page, data, limits, warn)
    if samples is None:
        return None
    if kind in (*_NO_COLORS, _RGB):
        return _raster_from_grey_or_rgb(page, samples, kind)
    if kind == _PALETTE and page.colormap is not None:
        return _raster_from_palette(page, samples)
    if kind == _SEPARATED:
        return _raster_from_cmyk(page, samples, icc, warn)
    if kind in (_CIE_LAB, _ICC_LAB):
        return _raster_from_lab(page, samples, icc, warn)
    raise UnsupportedPhoto(f"a TIFF of {getattr(page.photometric, 'name', kind)} pixels; save it as RGB")


def _check_pillow_reads(page: Any, *, is_big: bool) -> None:
    """Refuse YCbCr that comes out wrong: only in JPEG may it be in planes or have coarser colours than brightness."""
    is_apart = page.planarconfig == _IN_PLANES or tuple(page.tags.valueof(_SUBSAMPLING, (2, 2))) != (1, 1)
    if is_big or (is_apart and int(page.compression) != _JPEG):
        raise UnsupportedPhoto("a TIFF of YCbCr pixels that are not in JPEG; save it as RGB")


def _samples(page: Any, data: bytes, limits: DecodeLimits, warn: Warn) -> np.ndarray | None:
    """The page's samples, (height, width, channels); None if there are more than the page says, which libtiff takes."""
    ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > len(data):
        raise TruncatedPhoto(f"the TIFF file has {len(data):,} of {max(ends):,} bytes; fetch it again")
    pieces, there = math.prod(page.chunked), sum(count > 0 for count in page.databytecounts)
    if there == 0:
        raise CorruptPhoto("the TIFF file holds no pixels; fetch it again")
    if there < pieces:
        tell_damage(f"{pieces - there} of {pieces} pieces of the TIFF file's photo are missing", limits, warn)
    if int(page.compression) == _LZW:
        return _samples_by_libtiff(page, data)
    try:
        planes = page.asarray(squeeze=False)  # (planes, depth, height, width, channels within a plane)
    except RuntimeError as error:
        if page.bitspersample > 8 or page.parent.is_bigtiff or not any(words in str(error) for words in _TOO_LONG):
            raise
        tell_damage("the TIFF file holds more than its photo, part of which may be wrong", limits, warn)
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
    samples = np.asarray(imagecodecs.tiff_decode(bytes(changed), index=0))
    samples = samples.astype(np.uint8) if samples.dtype == bool else samples
    if samples.ndim == 2:
        return samples[..., np.newaxis]
    return np.moveaxis(samples, 0, -1) if page.planarconfig == _IN_PLANES else samples


def _raster_from_grey_or_rgb(page: Any, samples: np.ndarray, kind: int) -> Raster:
    """A page of any depth: integers, signed ones, or floats."""
    samples = samples[..., :_CHANNELS_USED]  # colour and the first further one, which may be transparency
    largest = largest_sample(samples, int(page.sampleformat), int(page.bitspersample))
    extra = tuple(int(kind) for kind in page.extrasamples)
    raster = raster_from_samples(samples, largest, 1 if kind in _NO_COLORS else 3, extra)
    raster.bit_depth = _depth(page)
    if kind == _MIN_IS_WHITE:
        np.subtract(1.0, raster.color, out=raster.color)
    return raster


def _raster_from_palette(page: Any, samples: np.ndarray) -> Raster:
    """A page of numbers of colours, which have 16 bits in the file and were of 8."""
    colors = np.asarray(page.colormap >> 8, dtype=np.uint8).T
    number = int(samples[..., 0].max(initial=0))
    if number >= len(colors):
        raise CorruptPhoto(f"a TIFF palette of {len(colors)} colors has no number {number}; fetch it again")
    return raster_from_channels(colors[samples[..., 0]])


def _raster_from_cmyk(page: Any, samples: np.ndarray, icc: bytes | None, warn: Warn) -> Raster:
    """CMYK at 8 bits, at which LittleCMS converts it."""
    inks = _of_8_or_16_bits(page, samples, "CMYK", 4)
    if inks.dtype == np.uint16:
        warn("the photo keeps 8 of its 16 bits: it is converted from CMYK")
        inks = np.rint(inks / np.float32(257)).astype(np.uint8)
    return pillow_raster(Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes()), icc, warn)


def _raster_from_lab(page: Any, samples: np.ndarray, icc: bytes | None, warn: Warn) -> Raster:
    """Lab at 8 bits; a and b are signed in CIELab, and have half the range added in ICCLab (TIFF supplements 1, 2)."""
    lab = _of_8_or_16_bits(page, samples, "Lab", 3)
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
    return pillow_raster(Image.frombytes("LAB", (lab.shape[1], lab.shape[0]), lab.tobytes()), icc, warn)


def _of_8_or_16_bits(page: Any, samples: np.ndarray, name: str, channels: int) -> np.ndarray:
    """The first channels, contiguous."""
    if page.bitspersample not in (8, 16) or samples.dtype.kind not in "ui" or samples.shape[2] < channels:
        raise UnsupportedPhoto(
            f"a {name} TIFF of {samples.shape[2]} channels of {page.bitspersample} bits; "
            f"save it with {channels} of 8 or 16 bits"
        )
    unsigned = samples[..., :channels].view(f"u{samples.itemsize}") if samples.dtype.kind == "i" else samples
    return np.ascontiguousarray(unsigned[..., :channels])


def _depth(page: Any) -> int:
    return 16 if page.bitspersample > 8 else 8
