"""Damage in TIFF files that libtiff decodes without a word."""

from typing import Any

import numpy as np
import simplejpeg

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.decoder_errors import decoder_reason, tell_damage
from pasd_batch.data.photo_errors import Warn
from pasd_batch.data.raster import Raster

_GROUP_4, _JPEG, _IN_PLANES, _MIN_IS_WHITE, _ORIENTATION = 4, 7, 2, 0, 274
_JPEG_COLORS = {1: "GRAY", 3: "RGB", 4: "CMYK"}
_MARKER_SIZE = 2


def tell_tiff_damage(page: Any, raster: Raster, limits: DecodeLimits, warn: Warn) -> None:
    """Tell of damage in fax of group 4 and in JPEG, of which libtiff made `raster`.

    Raises:
        CorruptPhoto: it is damaged, and `limits.on_damage` is `fail`.
    """
    compression, reason = int(page.compression), None
    if compression == _GROUP_4:
        reason = _fax_fault(page, raster.color[..., 0] > 0.5)
    elif compression == _JPEG:
        reason = _jpeg_fault(page)
    if reason is not None:
        tell_damage(f"the TIFF file is damaged, part of the photo may be wrong ({reason})", limits, warn)


def _fax_fault(page: Any, is_white: np.ndarray) -> str | None:
    """What is wrong with fax, which has no checksum: after a fault libtiff and imagecodecs go on in different ways."""
    try:
        other = page.asarray().astype(bool) ^ (int(page.photometric) == _MIN_IS_WHITE)
    except Exception as error:  # noqa: BLE001 (decoders raise almost anything on hostile files)
        return decoder_reason(error)
    is_turned = page.tags.valueof(_ORIENTATION, 1) != 1  # Pillow has turned its picture
    is_same = int(other.sum()) == int(is_white.sum()) if is_turned else np.array_equal(other, is_white)
    return None if is_same else "two decoders of fax disagree"


def _jpeg_fault(page: Any) -> str | None:
    """What libjpeg complains about in one of a page's strips or tiles."""
    channels = 1 if page.planarconfig == _IN_PLANES else page.samplesperpixel
    if page.bitspersample != 8 or channels not in _JPEG_COLORS:
        return None
    for content, _ in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        if content is None:
            return "a piece of it is missing"
        tables = page.jpegtables
        whole = content if tables is None else tables[:-_MARKER_SIZE] + content[_MARKER_SIZE:]
        try:
            simplejpeg.decode_jpeg(whole, _JPEG_COLORS[channels], strict=True)
        except ValueError as error:
            return decoder_reason(error)
    return None
