"""JPEG by libjpeg-turbo through simplejpeg, which tells what libjpeg complains about; Pillow leaves it unheard."""

import numpy as np
import simplejpeg
from PIL import Image
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.decoder_errors import decoder_reason, tell_damage
from pasd_batch.data.jpeg_scans import has_all_scans, has_end_marker
from pasd_batch.data.photo_errors import TruncatedPhoto, Warn
from pasd_batch.data.pillow_image import pillow_raster
from pasd_batch.data.raster import Raster, raster_from_channels

_COLORS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_END_MARKER = b"\xff\xd9"


def raster_from_jpeg(data: bytes, image: ImageFile, icc: bytes | None, limits: DecodeLimits, warn: Warn) -> Raster:
    """The photo of a JPEG file that Pillow has opened, but not decoded.

    Raises:
        TruncatedPhoto: part of the photo is missing.
        CorruptPhoto: it is damaged, and `limits.on_damage` is `fail`.
    """
    colors = _COLORS[image.mode]
    try:
        samples = simplejpeg.decode_jpeg(data, colors, strict=True)
    except ValueError as error:
        samples = _damaged_samples(data, image, decoder_reason(error), limits, warn)
    if image.mode != "CMYK":
        return raster_from_channels(samples.squeeze(axis=2) if samples.shape[2] == 1 else samples)
    # Adobe's programs, which alone write CMYK, store it inverted; Pillow and others take it so.
    return pillow_raster(Image.frombytes("CMYK", image.size, (255 - samples).tobytes()), icc, warn)


def _damaged_samples(data: bytes, image: ImageFile, complaint: str, limits: DecodeLimits, warn: Warn) -> np.ndarray:
    colors = _COLORS[image.mode]
    if not has_end_marker(data):
        try:
            samples = simplejpeg.decode_jpeg(data + _END_MARKER, colors, strict=True)
        except ValueError:
            samples = None
        if samples is None or not has_all_scans(data):
            raise TruncatedPhoto(f"the JPEG file ends before the photo does ({complaint}); fetch it again")
        tell_damage("the JPEG file lacks its end marker, all of its photo is there", limits, warn)
        return samples
    tell_damage(f"the JPEG file is damaged, part of the photo may be wrong ({complaint})", limits, warn)
    try:
        return simplejpeg.decode_jpeg(data, colors, strict=False)
    except ValueError:
        image.load()  # Pillow keeps the rows that came before what libjpeg gives up at
        samples = np.asarray(image).reshape(image.height, image.width, -1)
        return 255 - samples if image.mode == "CMYK" else samples
