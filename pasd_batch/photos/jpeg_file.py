"""JPEG files with what photos carry: EXIF, XMP of any length, IPTC, ICC, resolution and comments."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pasd_batch.config.photos import ChromaSubsampling
from pasd_batch.photos.errors import Warn
from pasd_batch.photos.jpeg_segments import (
    LARGEST_EXIF,
    LARGEST_XMP,
    comment_segment,
    exif_segment,
    iptc_segments,
    with_density,
    xmp_segments,
)
from pasd_batch.photos.metadata import complete_for_jpeg, fit_exif
from pasd_batch.photos.resolution import Resolution
from pasd_batch.photos.texts import Text
from pasd_batch.photos.tiff_directory import TiffDirectories
from pasd_batch.photos.xmp_extended import split_extended


def jpeg_file(
    samples: np.ndarray,
    *,
    quality: int,
    subsampling: ChromaSubsampling,
    exif: TiffDirectories,
    xmp: bytes,
    iptc: bytes | None,
    icc: bytes | None,
    resolution: Resolution | None,
    comments: Sequence[Text],
    warn: Warn,
) -> bytes:
    """Encode uint8 samples (height, width, 1-4); transparency is left out.

    An EXIF record that is too long loses its longest values, with a warning; XMP beyond one segment goes into an
    extended packet.
    """
    opaque = samples[..., 0] if samples.shape[2] < 3 else samples[..., :3]
    height, width = opaque.shape[:2]
    complete = complete_for_jpeg(exif, width=width, height=height, is_srgb=icc is None)
    segments = exif_segment(fit_exif(complete, LARGEST_EXIF, "JPEG", warn)) + xmp_segments(
        *split_extended(xmp, LARGEST_XMP)
    )
    if iptc is not None:
        segments += iptc_segments(iptc)
    segments += b"".join(comment_segment(text) for text in comments)
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(opaque))
    image.save(file, "JPEG", quality=quality, subsampling=subsampling.value, extra=segments, icc_profile=icc)
    data = file.getvalue()
    return data if resolution is None else with_density(data, resolution, warn)
