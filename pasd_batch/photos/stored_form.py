"""Stored form of a file's photo, by its header: bits per channel, colour mode, number of pages."""

from typing import Any

from pasd_batch.photos.bmp_header import bits_of_bmp
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.raster import transparent_channel
from pasd_batch.records import StoredForm

_PNG_COLORS = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_TIFF_COLORS = {0: "L", 1: "L", 2: "RGB", 3: "P", 5: "CMYK", 6: "RGB", 8: "LAB", 9: "LAB"}
_CHANNELS = {"L": 1, "P": 1, "CMYK": 4}
_HAS_TABLE, _TABLE_SIZE = 0x80, 0x07
_AV1_CONFIGURATION, _HIGH_BIT_DEPTH, _TWELVE_BIT = b"av1C", 0x40, 0x20


def form_with_pillow(data: bytes, kind: SourceFormat, mode: str, pages: int) -> StoredForm:
    """Form of a file that Pillow opens in that mode, before anything of it is decoded."""
    bits = 8
    match kind:
        case SourceFormat.PNG:
            bits, mode = data[24], _PNG_COLORS.get(data[25], mode)
            mode = "1" if (bits, mode) == (1, "L") else mode
        case SourceFormat.GIF:  # of which Pillow takes grey palettes for grey
            bits, mode = 1 + (data[10] & _TABLE_SIZE) if data[10] & _HAS_TABLE else 8, "P"
        case SourceFormat.BMP:
            bits = bits_of_bmp(data)
        case SourceFormat.AVIF:
            bits = avif_bits(data)
        case _:
            pass
    return StoredForm(bit_depth=bits, color_mode="RGB" if mode == "RGBX" else mode, pages=pages)


def form_of_tiff(page: Any, pages: int) -> StoredForm:
    """Form of a page as tifffile has it."""
    bits, mode = int(page.bitspersample), _TIFF_COLORS.get(int(page.photometric), "RGB")
    if (bits, mode) == (1, "L"):
        mode = "1"
    further = int(page.samplesperpixel) - _CHANNELS.get(mode, 1 if mode == "1" else 3)
    if transparent_channel(further, tuple(map(int, page.extrasamples))) is not None:
        mode += "A"
    return StoredForm(bit_depth=bits, color_mode=mode, pages=pages)


def form_of_heif(picture: Any, pages: int) -> StoredForm:
    """Form of a picture as pillow-heif has it."""
    mode = str(picture.mode).split(";")[0].upper()  # `a` for `A`: multiplied into the colours
    return StoredForm(bit_depth=int(picture.info["bit_depth"]), color_mode=mode, pages=pages)


def avif_bits(data: bytes) -> int:
    """Bits per channel of an AVIF file (8, 10 or 12), from its first picture's AV1 configuration; 8 if it has none."""
    box = data.find(_AV1_CONFIGURATION)
    flags = data[box + 6] if 0 <= box < len(data) - 6 else 0
    if not flags & _HIGH_BIT_DEPTH:
        return 8
    return 12 if flags & _TWELVE_BIT else 10
