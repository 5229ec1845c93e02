"""JPEG by libjpeg-turbo through simplejpeg, which reports libjpeg's warnings; Pillow discards them.

JPEG of more than 8 bits and JPEG-LS are decoded by imagecodecs, which does not report damage.
"""

import numpy as np
import simplejpeg
from PIL import Image
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors, decoder_reason, warn_of_damage
from pasd_batch.photos.errors import TruncatedPhoto, UnsupportedPhoto, Warn
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.jpeg_scans import Frame, has_all_scans, has_end_marker
from pasd_batch.photos.limits import check_pixels
from pasd_batch.photos.metadata import read_metadata
from pasd_batch.photos.pillow_image import pillow_raster
from pasd_batch.photos.raster import Raster, raster_from_channels
from pasd_batch.records import StoredForm

_COLORS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_END_MARKER = b"\xff\xd9"

UNUSUAL_SAMPLING = "Could not determine subsampling level"
"""Words of simplejpeg about sound files that store colour at another share of the pixels than it knows."""


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
        is_unusual = UNUSUAL_SAMPLING in str(error)
        samples = (
            _by_pillow(image) if is_unusual else _damaged_samples(data, image, decoder_reason(error), limits, warn)
        )
    if image.mode != "CMYK":
        return raster_from_channels(samples.squeeze(axis=2) if samples.shape[2] == 1 else samples)
    # Adobe's programs, which alone write CMYK, store it inverted; Pillow and others take it so.
    inks = Image.frombytes("CMYK", image.size, (255 - samples).tobytes())
    del samples
    return pillow_raster(inks, icc, warn)


def _damaged_samples(data: bytes, image: ImageFile, complaint: str, limits: DecodeLimits, warn: Warn) -> np.ndarray:
    colors = _COLORS[image.mode]
    if not has_end_marker(data):
        try:
            samples = simplejpeg.decode_jpeg(data + _END_MARKER, colors, strict=True)
        except ValueError:
            samples = None
        if samples is None or not has_all_scans(data):
            raise TruncatedPhoto(f"the JPEG file ends before the photo does ({complaint}); fetch it again")
        warn_of_damage("the JPEG file lacks its end marker, all of its photo is there", limits, warn)
        return samples
    warn_of_damage(f"the JPEG file is damaged, part of the photo may be wrong ({complaint})", limits, warn)
    try:
        return simplejpeg.decode_jpeg(data, colors, strict=False)
    except ValueError:
        return _by_pillow(image)  # which keeps the rows that came before what libjpeg gives up at


def _by_pillow(image: ImageFile) -> np.ndarray:
    image.load()
    samples = np.asarray(image).reshape(image.height, image.width, -1)
    image.close()
    return 255 - samples if image.mode == "CMYK" else samples


def decode_deep_jpeg(data: bytes, frame: Frame, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode a JPEG of another depth than 8 bits, or a JPEG-LS, which Pillow does not open."""
    import imagecodecs

    check_pixels(frame.width, frame.height, limits)
    if frame.components not in (1, 3):
        raise UnsupportedPhoto(
            f"a JPEG of {frame.components} components of {frame.bits} bits; save it as 8- or 16-bit RGB"
        )
    if not has_end_marker(data):  # the only check of damage there is
        raise TruncatedPhoto("the JPEG file ends before its end marker; fetch it again")
    with as_photo_errors(SourceFormat.JPEG):
        decode = imagecodecs.jpegls_decode if frame.is_jpeg_ls else imagecodecs.jpeg8_decode
        samples = np.asarray(decode(data))
    metadata, orientation = read_metadata(data, SourceFormat.JPEG, {}, warn)
    form = StoredForm(bit_depth=frame.bits, color_mode="L" if frame.components == 1 else "RGB", pages=1)
    return DecodedFile(raster_from_channels(samples, bits=frame.bits), metadata, form, orientation)
