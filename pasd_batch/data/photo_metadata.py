"""EXIF and IPTC records: read from any format, rid of what described the old file, made ready for a new one."""

import io
import struct
from typing import Any

from PIL import ExifTags, Image

from pasd_batch.data.photo_errors import Warn

IPTC_TAG = 33723
XMP_TAG = 700
ICC_TAG = 34675
MAKER_NOTE = 37500
_IPTC_RESOURCE = 0x0404
_PIXEL_WIDTH, _PIXEL_HEIGHT = 40962, 40963
_LONGEST_VALUE = 1 << 18

# TIFF tags about how the old file stored its pixels, and those carried on their own (XMP, IPTC, ICC, Photoshop).
_STRUCTURAL = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 288, 289}
    | {290, 291, 292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338}
    | {339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 700}
    | {33723, 34377, 34675, 37724, 50255, 50341}
)


def clean_exif(source: Image.Exif, warn: Warn) -> bytes | None:
    """The EXIF record without orientation, thumbnail, structure and oversized values; None if nothing is left.

    `source` is changed. Tags whose values break their own types are dropped one by one, with a warning.
    """
    source.bigtiff = False
    for tag in [tag for tag in source if tag in _STRUCTURAL]:
        del source[tag]
    try:
        _drop_oversized(source)
        return source.tobytes() if len(source) else None
    except Exception:  # noqa: BLE001 (Pillow raises almost anything on malformed values)
        return _salvaged(source, warn)


def output_exif(record: bytes | None, *, software: str, width: int, height: int) -> Image.Exif:
    """An EXIF record for a new file of that size in pixels: upright, with `software` as the program."""
    exif = Image.Exif()
    if record is not None:
        exif.load(record)
    exif[ExifTags.Base.Orientation] = 1
    exif[ExifTags.Base.Software] = software
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in ((_PIXEL_WIDTH, width), (_PIXEL_HEIGHT, height)):
        if tag in camera:
            camera[tag] = value
    return exif


def without_maker_note(exif: Image.Exif) -> Image.Exif:
    """The record without the camera maker's private block, which is what makes records too long for JPEG."""
    exif.get_ifd(ExifTags.IFD.Exif).pop(MAKER_NOTE, None)
    return exif


def iptc_from_info(info: dict[str, Any], warn: Warn) -> bytes | None:
    """The IPTC record in what Pillow read: JPEG's Photoshop block, or a PNG text in ImageMagick's notation."""
    resources = info.get("photoshop")
    if isinstance(resources, dict) and isinstance(resources.get(_IPTC_RESOURCE), bytes):
        return resources[_IPTC_RESOURCE]
    for key in ("Raw profile type iptc", "Raw profile type 8bim"):
        if isinstance(text := info.get(key), str):
            return _raw_profile(text, warn)
    return None


def iptc_from_exif(exif: Image.Exif) -> bytes | None:
    """The IPTC record in the EXIF record's tag for it, which is where formats without a place for IPTC have it."""
    value = exif.get(IPTC_TAG)
    return value if isinstance(value, bytes) else None


def iptc_from_tiff(data: bytes, warn: Warn) -> bytes | None:
    """The IPTC record of a TIFF file. Some programs write it as 32-bit words, of which Pillow gives the first."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            value = file.pages.first.tags[IPTC_TAG].value
            return value if isinstance(value, bytes) else struct.pack(f"{file.byteorder}{len(value)}I", *value)
    except (ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        warn(f"the IPTC record cannot be read and is left out: {error}")
        return None


def photoshop_segment(iptc: bytes) -> bytes | None:
    """A JPEG APP13 segment with the IPTC record; None if it is too long for one."""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body if len(body) <= 65533 else None


def _drop_oversized(exif: Image.Exif) -> None:
    for tag in list(exif):
        value = exif[tag]
        if isinstance(value, bytes | str | tuple) and len(value) > _LONGEST_VALUE:
            del exif[tag]


def _salvaged(source: Image.Exif, warn: Warn) -> bytes | None:
    kept = Image.Exif()
    kept.endian = source.endian
    dropped: list[str] = []
    for tag in list(source):
        _keep_if_writable(kept, source, tag, dropped)
    warn(f"malformed EXIF tags were left out: {', '.join(dropped)}")
    return kept.tobytes() if len(kept) else None


def _keep_if_writable(kept: Image.Exif, source: Image.Exif, tag: int, dropped: list[str]) -> None:
    try:
        is_directory = tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
        value = source.get_ifd(tag) if is_directory else source[tag]
        if isinstance(value, dict):
            value = {key: entry for key, entry in value.items() if _is_writable(key, entry, dropped)}
        if _is_writable(tag, value, dropped):
            kept[tag] = value
    except Exception:  # noqa: BLE001 (Pillow raises almost anything on malformed values)
        dropped.append(str(tag))


def _is_writable(tag: int, value: Any, dropped: list[str]) -> bool:
    alone = Image.Exif()
    alone[tag] = value
    try:
        alone.tobytes()
    except Exception:  # noqa: BLE001 (as above)
        dropped.append(str(tag))
        return False
    return True


def _raw_profile(text: str, warn: Warn) -> bytes | None:
    # A name, a length in bytes, then the bytes in hexadecimal, on lines of their own.
    try:
        data = bytes.fromhex("".join(text.split()[2:]))
        position = data.find(struct.pack(">4sH", b"8BIM", _IPTC_RESOURCE))
        if position < 0:
            return data
        name_length = data[position + 6] | 1  # a Pascal string, padded to an even length with its count
        start = position + 6 + name_length + 1
        (length,) = struct.unpack_from(">I", data, start)
    except (ValueError, IndexError, struct.error) as error:
        warn(f"the IPTC record cannot be read and is left out: {error}")
        return None
    return data[start + 4 : start + 4 + length]
