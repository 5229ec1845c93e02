"""TIFF files of 8 or 16 bits, losslessly compressed, with EXIF, XMP, IPTC and ICC.

Pillow writes no 16-bit colour and tifffile no EXIF directories, so the few tags that a photo needs are laid out here,
with Pillow's directory writer: header, directory, then strips of rows.
"""

import zlib

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from pasd_batch.data.photo_metadata import ICC_TAG, IPTC_TAG, XMP_TAG

_STRIP_BYTES = 1 << 20
_DEFLATE, _HORIZONTAL_DIFFERENCES, _UNASSOCIATED_ALPHA, _INTERLEAVED = 8, 2, 2, 1
_BYTE, _UNDEFINED, _LONG = 1, 7, 4


def tiff_file(
    samples: np.ndarray, *, compression: int, exif: Image.Exif, xmp: bytes, iptc: bytes | None, icc: bytes | None
) -> bytes:
    """Encode uint8 or uint16 samples (height, width, 1-4): grey, grey and alpha, RGB, RGBA.

    `compression` is zlib's 0-9. The EXIF record's main directory becomes the file's own.
    """
    rows = max(1, _STRIP_BYTES // samples[0].nbytes)
    strips = [_strip(samples[start : start + rows], compression) for start in range(0, len(samples), rows)]
    header = b"II*\0\x08\0\0\0"
    directory = TiffImagePlugin.ImageFileDirectory_v2(ifh=header)
    for tag in exif:
        is_directory = tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
        directory[tag] = exif.get_ifd(tag) if is_directory else exif[tag]
    _describe_pixels(directory, samples, rows, strips)
    for tag, kind, value in ((XMP_TAG, _BYTE, xmp), (IPTC_TAG, _UNDEFINED, iptc), (ICC_TAG, _UNDEFINED, icc)):
        if value is not None:
            directory.tagtype[tag] = kind
            directory[tag] = value
    return b"".join([header, directory.tobytes(len(header)), *strips])


def _describe_pixels(
    directory: TiffImagePlugin.ImageFileDirectory_v2, samples: np.ndarray, rows: int, strips: list[bytes]
) -> None:
    height, width, channels = samples.shape
    has_alpha = channels in (2, 4)
    values: dict[int, int | tuple[int, ...]] = {
        TiffImagePlugin.IMAGEWIDTH: width,
        TiffImagePlugin.IMAGELENGTH: height,
        TiffImagePlugin.BITSPERSAMPLE: (samples.itemsize * 8,) * channels,
        TiffImagePlugin.COMPRESSION: _DEFLATE,
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 2 if channels >= 3 else 1,
        TiffImagePlugin.SAMPLESPERPIXEL: channels,
        TiffImagePlugin.ROWSPERSTRIP: min(rows, height),
        TiffImagePlugin.PLANAR_CONFIGURATION: _INTERLEAVED,
        TiffImagePlugin.PREDICTOR: _HORIZONTAL_DIFFERENCES,
        TiffImagePlugin.STRIPBYTECOUNTS: tuple(len(strip) for strip in strips),
    }
    if has_alpha:
        values[TiffImagePlugin.EXTRASAMPLES] = _UNASSOCIATED_ALPHA
    for tag, value in values.items():
        directory[tag] = value
    # Relative to the directory's end: Pillow adds where that is when it writes the directory.
    starts = np.cumsum([0, *(len(strip) for strip in strips[:-1])])
    directory.tagtype[TiffImagePlugin.STRIPOFFSETS] = _LONG
    directory[TiffImagePlugin.STRIPOFFSETS] = tuple(int(start) for start in starts)


def _strip(samples: np.ndarray, compression: int) -> bytes:
    little = samples.astype(samples.dtype.newbyteorder("<"))
    differences = little.copy()
    differences[:, 1:] -= little[:, :-1]  # unsigned arithmetic wraps round, as the format wants
    return zlib.compress(differences.tobytes(), compression)
