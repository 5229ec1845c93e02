"""Cost of decoding a TIFF file, estimated from its directory alone."""

from typing import Any

from PIL import ExifTags

from pasd_batch.photos.decode_tiff import open_tiff
from pasd_batch.photos.decoding_memory import DecodingCost, DecodingMemory
from pasd_batch.photos.metadata import ICC_TAG
from pasd_batch.photos.tiff_pages import find_page
from pasd_batch.photos.tiff_samples import LZW, is_left_to_pillow

_JPEG = (6, 7)
_START_OF_SCAN = b"\xff\xda"
_SEPARATED = 5
_CONVERTED_AS_DECODED = (_SEPARATED, 8, 9)  # CMYK and Lab
_PALETTE = 3
_TO_8_BITS = 8
"""Bytes per 16-bit sample of CMYK or Lab during its conversion to 8 bits."""

_BOUNDED_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946})
"""None, CCITT, LZW, Deflate, PackBits: the decoder writes no more than the directory says."""

_UNCOMPRESSED = 1
_THREADS = 16
_READ_BYTES = 1 << 28


def tiff_cost(data: bytes, number: int = 1) -> DecodingCost:
    """The cost of the page that is decoded."""
    with open_tiff(data) as file:
        _, page = find_page(file, number)
        return _of_page(page, data)


def _of_page(page: Any, data: bytes) -> DecodingCost:
    width, height, samples = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
    compression, bits, photometric = int(page.compression), int(page.bitspersample), int(page.photometric)
    color = 1 if photometric in (0, 1) else 3
    has_alpha = samples > (4 if photometric == _SEPARATED else color)
    sample_bytes, by_tifffile = -(-bits // 8), not is_left_to_pillow(page)
    stored = samples * sample_bytes
    decoder = 0
    if photometric in _CONVERTED_AS_DECODED and by_tifffile:
        codec_bytes, decoder = 2 * stored, 2 * stored + _TO_8_BITS * samples * (bits > 8)
    elif by_tifffile and photometric != _PALETTE:
        codec_bytes = max(0, samples - color - has_alpha) * sample_bytes
    else:
        codec_bytes = sample_bytes if samples == 1 else 4
    is_exact = bits > 8 and (bits > 16 or page.sampleformat != 1 or tuple(page.extrasamples[:1]) == (1,))
    turns = by_tifffile and ExifTags.Base.Orientation in page.tags
    converts = ICC_TAG in page.tags and photometric not in _CONVERTED_AS_DECODED
    memory = DecodingMemory(width, height, color, has_alpha, sample_bytes, codec_bytes, turns, converts, is_exact)
    part = int(page.tilewidth * page.tilelength if page.is_tiled else width * min(page.rowsperstrip, height))
    work = part * data.count(_START_OF_SCAN) if compression in _JPEG else 0
    parts = 0 if compression == _UNCOMPRESSED else part * stored
    if compression == LZW and by_tifffile:
        parts += len(data)  # libtiff is given a changed copy of the file
    elif parts and by_tifffile:  # which unpacks several at a time, and holds the packed ones too; Pillow unpacks one
        parts = parts * min(_THREADS + 1, len(page.dataoffsets)) + min(len(data), _READ_BYTES)
    is_bounded = compression in _BOUNDED_COMPRESSIONS
    return memory.cost(decoder=decoder, parts=parts, work=max(width * height, work), is_bounded=is_bounded)
