"""Checks for damage in TIFF files that libtiff does not report."""

import math
from typing import Any

import numpy as np
import simplejpeg

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decode_jpeg import UNUSUAL_SAMPLING
from pasd_batch.photos.decoder_errors import decoder_reason, warn_of_damage
from pasd_batch.photos.errors import CorruptPhoto, TruncatedPhoto, Warn
from pasd_batch.photos.raster import Raster

_GROUP_4, _IN_PLANES, _MIN_IS_WHITE, _ORIENTATION = 4, 2, 0, 274
_JPEG_COLORS = {1: "GRAY", 3: "RGB", 4: "CMYK"}
_MARKER_SIZE = 2


def warn_of_missing_strips(page: Any, data: bytes, limits: DecodeLimits, warn: Warn) -> None:
    """Warn of missing strips and tiles.

    Raises:
        TruncatedPhoto: the file ends before one of them does.
        CorruptPhoto: there is none; or some are missing, and `limits.on_damage` is `fail`.
    """
    ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > len(data):
        raise TruncatedPhoto(f"the TIFF file has {len(data):,} of {max(ends):,} bytes; fetch it again")
    pieces, there = math.prod(page.chunked), sum(count > 0 for count in page.databytecounts)
    if there == 0:
        raise CorruptPhoto("the TIFF file holds no pixels; fetch it again")
    if there < pieces:
        warn_of_damage(f"{pieces - there} of {pieces} pieces of the TIFF file's photo are missing", limits, warn)


def warn_of_fax_damage(page: Any, raster: Raster, limits: DecodeLimits, warn: Warn) -> None:
    """Warn of damage in group 4 fax, by comparing another decoder with `raster`, which libtiff decoded.

    Raises:
        CorruptPhoto: it is damaged, and `limits.on_damage` is `fail`.
    """
    if int(page.compression) == _GROUP_4:
        _warn_of_fault(_fax_fault(page, raster.color[..., 0] > 0.5), limits, warn)


def warn_of_jpeg_damage(page: Any, limits: DecodeLimits, warn: Warn) -> None:
    """Warn of damage in a page's JPEG strips and tiles.

    Raises:
        CorruptPhoto: it is damaged, and `limits.on_damage` is `fail`.
    """
    _warn_of_fault(_jpeg_fault(page), limits, warn)


def _warn_of_fault(reason: str | None, limits: DecodeLimits, warn: Warn) -> None:
    if reason is not None:
        warn_of_damage(f"the TIFF file is damaged, part of the photo may be wrong ({reason})", limits, warn)


def _fax_fault(page: Any, is_white: np.ndarray) -> str | None:
    """Faults of fax, which has no checksum: after a fault libtiff and imagecodecs go on in different ways."""
    try:
        other = page.asarray().astype(bool) ^ (int(page.photometric) == _MIN_IS_WHITE)
    except Exception as error:  # noqa: BLE001 (decoders raise almost anything on hostile files)
        return decoder_reason(error)
    is_turned = page.tags.valueof(_ORIENTATION, 1) != 1  # Pillow has turned its picture
    is_same = int(other.sum()) == int(is_white.sum()) if is_turned else np.array_equal(other, is_white)
    return None if is_same else "two decoders of fax disagree"


def _jpeg_fault(page: Any) -> str | None:
    """Complaints of libjpeg about one of a page's strips or tiles."""
    channels = 1 if page.planarconfig == _IN_PLANES else page.samplesperpixel
    if page.bitspersample != 8 or channels not in _JPEG_COLORS:
        return None
    for content, _ in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        if content is None:  # reported already
            continue
        tables = page.jpegtables
        whole = content if tables is None else tables[:-_MARKER_SIZE] + content[_MARKER_SIZE:]
        try:
            simplejpeg.decode_jpeg(whole, _JPEG_COLORS[channels], strict=True)
        except ValueError as error:
            return None if UNUSUAL_SAMPLING in str(error) else decoder_reason(error)
    return None
