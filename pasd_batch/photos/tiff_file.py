"""TIFF files of 8 or 16 bits, losslessly compressed, with EXIF, XMP, IPTC and ICC.

Pillow writes no 16-bit colour and tifffile no EXIF directories, so the few tags that a photo needs are laid out here:
the EXIF record's main directory becomes the file's own, then strips of rows follow, in the record's byte order.
"""

import zlib
from dataclasses import replace

import numpy as np

from pasd_batch.photos.errors import PhotoNotWritable
from pasd_batch.photos.metadata_blocks import ICC_TAG, IPTC_TAG, XMP_TAG
from pasd_batch.photos.tiff_directory import BYTE, LONG, SHORT, UNDEFINED, Directory, TiffDirectories, Value

_STRIP_BYTES = 1 << 20
_DEFLATE, _HORIZONTAL_DIFFERENCES, _UNASSOCIATED_ALPHA, _INTERLEAVED = 8, 2, 2, 1
_BLACK_IS_ZERO, _RGB = 1, 2
_IMAGE_WIDTH, _IMAGE_LENGTH, _BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES_PER_PIXEL, _ROWS_PER_STRIP, _STRIP_BYTE_COUNTS = 273, 277, 278, 279
_PLANAR_CONFIGURATION, _PREDICTOR, _EXTRA_SAMPLES = 284, 317, 338
_LARGEST = 2**32 - 1


def tiff_file(
    samples: np.ndarray, *, compression: int, exif: TiffDirectories, xmp: bytes, iptc: bytes | None, icc: bytes | None
) -> bytes:
    """Encode uint8 or uint16 samples (height, width, 1-4): grey, grey and alpha, RGB, RGBA.

    `compression` is zlib's 0-9.

    Raises:
        PhotoNotWritable: the file would pass the 4 GiB that its offsets reach.
    """
    rows = max(1, _STRIP_BYTES // samples[0].nbytes)
    samples = samples.astype(samples.dtype.newbyteorder(exif.order), copy=False)
    strips = [_strip(samples[start : start + rows], compression) for start in range(0, len(samples), rows)]
    main = {**exif.main, **_pixel_tags(exif, samples, rows, strips)}
    for tag, kind, value in ((XMP_TAG, BYTE, xmp), (IPTC_TAG, UNDEFINED, iptc), (ICC_TAG, UNDEFINED, icc)):
        if value is not None:
            main[tag] = Value(kind, value)
    sizes = [len(strip) for strip in strips]
    start = len(_directories(exif, main, [0] * len(strips)))
    if start + sum(sizes) > _LARGEST:
        raise PhotoNotWritable(f"{start + sum(sizes):,} bytes are more than a TIFF file can hold; write png")
    starts = np.cumsum([start, *sizes[:-1]]).tolist()
    return b"".join([_directories(exif, main, starts), *strips])


def _directories(exif: TiffDirectories, main: Directory, starts: list[int]) -> bytes:
    located = {**main, _STRIP_OFFSETS: exif.integers(LONG, *starts)}
    record = replace(exif, main=located).to_bytes()
    return record + b"\0" * (len(record) % 2)


def _pixel_tags(exif: TiffDirectories, samples: np.ndarray, rows: int, strips: list[bytes]) -> Directory:
    height, width, channels = samples.shape
    tags = {
        _IMAGE_WIDTH: exif.integers(LONG, width),
        _IMAGE_LENGTH: exif.integers(LONG, height),
        _BITS_PER_SAMPLE: exif.integers(SHORT, *[samples.itemsize * 8] * channels),
        _COMPRESSION: exif.integers(SHORT, _DEFLATE),
        _PHOTOMETRIC: exif.integers(SHORT, _RGB if channels >= 3 else _BLACK_IS_ZERO),
        _SAMPLES_PER_PIXEL: exif.integers(SHORT, channels),
        _ROWS_PER_STRIP: exif.integers(LONG, min(rows, height)),
        _STRIP_BYTE_COUNTS: exif.integers(LONG, *(len(strip) for strip in strips)),
        _PLANAR_CONFIGURATION: exif.integers(SHORT, _INTERLEAVED),
        _PREDICTOR: exif.integers(SHORT, _HORIZONTAL_DIFFERENCES),
    }
    if channels in (2, 4):
        tags[_EXTRA_SAMPLES] = exif.integers(SHORT, _UNASSOCIATED_ALPHA)
    return tags


def _strip(samples: np.ndarray, compression: int) -> bytes:
    differences = samples.copy()
    differences[:, 1:] -= samples[:, :-1]  # unsigned arithmetic wraps round, as the format wants
    return zlib.compress(differences.tobytes(), compression)
