"""Metadata of a photo: read from any format, and prepared for another file."""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from PIL import ExifTags

from pasd_batch.photos.bmp_header import profile_of_bmp
from pasd_batch.photos.errors import Warn
from pasd_batch.photos.exif_colors import is_adobe_rgb, say_srgb
from pasd_batch.photos.exif_resolution import (
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    resolution_of_exif,
    resolution_of_xmp,
)
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.gif_extensions import profile_of_gif, xmp_of_gif
from pasd_batch.photos.heif_items import hide_exif, read_heif
from pasd_batch.photos.iptc_record import iptc_record
from pasd_batch.photos.jpeg_segments import read_jpeg, strip_segments
from pasd_batch.photos.metadata_blocks import (
    ICC_TAG,
    IPTC_TAG,
    LARGEST_PROFILE,
    ORIENTATION_TAG,
    PHOTOSHOP_TAG,
    SOFTWARE_TAG,
    XMP_TAG,
    MetadataBlocks,
    exif_directories,
)
from pasd_batch.photos.photo import PhotoMetadata
from pasd_batch.photos.png_chunks import read_png
from pasd_batch.photos.resolution import LengthUnit, from_metres
from pasd_batch.photos.texts import SOFTWARE, Text, comment
from pasd_batch.photos.tiff_directory import (
    CAMERA,
    FARTHEST_MAKER_NOTE,
    LONG,
    MAKER_NOTE,
    SHORT,
    UNDEFINED,
    TiffDirectories,
    Value,
    read_directories,
    text_value,
)
from pasd_batch.photos.xmp_encoding import in_utf8

_PIXEL_WIDTH, _PIXEL_HEIGHT = 40962, 40963
_YCBCR_POSITIONING, _EXIF_VERSION, _COMPONENTS, _FLASHPIX_VERSION, _COLOR_SPACE = 531, 36864, 37121, 40960, 40961
_CENTRED, _SRGB, _UNCALIBRATED = 1, 1, 0xFFFF
_UNKNOWN_RESOLUTION = Fraction(72)  # EXIF 3.0, section 4.6.4: "when the image resolution is unknown, 72 [dpi]"
_TURNED = range(2, 9)
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])\b")


def read_metadata(
    data: bytes, kind: SourceFormat, info: dict[Any, Any], warn: Warn, *, page: int | None = None, inherits: bool = True
) -> tuple[PhotoMetadata, int]:
    """Metadata that the file carries, and how it says its pixels are to be turned (1 to 8 as EXIF numbers it).

    `info` is what the decoder found: blocks of formats whose containers are not read here, and the ICC profile;
    `page` is where the directory of a TIFF file's page begins; its metadata go before the first one's, of which it
    has none unless it `inherits` them.
    Nothing in metadata costs the photo: what cannot be read is left out with a warning.
    """
    match kind:
        case SourceFormat.JPEG:
            blocks = read_jpeg(data, warn)
        case SourceFormat.PNG:
            blocks = read_png(data, warn)
        case SourceFormat.TIFF:
            blocks = _of_tiff(data, page, inherits, warn)
        case SourceFormat.HEIF | SourceFormat.AVIF:
            blocks = read_heif(data, warn)
        case SourceFormat.WEBP | SourceFormat.GIF | SourceFormat.BMP:
            blocks = _of_info(info, warn)
    if kind is SourceFormat.GIF:
        blocks.xmp, blocks.icc = xmp_of_gif(data), profile_of_gif(data)
    if kind is SourceFormat.BMP:
        blocks.icc = profile_of_bmp(data)
    exif, blocks.xmp = blocks.exif, None if blocks.xmp is None else in_utf8(blocks.xmp)
    _warn_of_moved_maker_note(exif, warn)
    orientation = _pop_orientation(blocks)
    _move_software_to_texts(blocks)
    iptc = blocks.iptc or _pop_iptc(exif, warn)
    own_resolution = None if exif is None else resolution_of_exif(exif)
    metadata = PhotoMetadata(
        source_format=kind,
        exif=None if exif is None or not any(exif.directories()) else exif.to_bytes(),
        xmp=blocks.xmp,
        iptc=iptc,
        icc=_profile(blocks.icc or _bytes(info.get("icc_profile")), warn),
        resolution=blocks.resolution or own_resolution or resolution_of_xmp(blocks.xmp),
        texts=tuple(blocks.texts),
        orientation=orientation if orientation in _TURNED else 1,
    )
    return metadata, orientation


def strip_metadata(data: bytes, kind: SourceFormat) -> bytes:
    """The file without the metadata for whose faults decoders refuse its pixels."""
    match kind:
        case SourceFormat.JPEG:
            return strip_segments(data)
        case SourceFormat.AVIF:
            return hide_exif(data)
        case _:
            return data


def output_exif(metadata: PhotoMetadata, *, software: str, width: int, height: int, is_srgb: bool) -> TiffDirectories:
    """An EXIF record for a new file of that size in pixels: upright, with `software` as the program."""
    exif = read_directories(metadata.exif, lambda _: None) if metadata.exif else TiffDirectories()
    if is_srgb and is_adobe_rgb(exif):
        say_srgb(exif)
    exif.main[ORIENTATION_TAG] = exif.integers(SHORT, 1)
    exif.main[SOFTWARE_TAG] = text_value(software)
    camera = exif.others.get(CAMERA, {})
    for tag, value in ((_PIXEL_WIDTH, width), (_PIXEL_HEIGHT, height)):
        if tag in camera:
            camera[tag] = exif.integers(LONG, value)
    return exif


def complete_for_jpeg(exif: TiffDirectories, *, width: int, height: int, is_srgb: bool) -> TiffDirectories:
    """The record with the tags that EXIF demands of every JPEG; those that are there stand."""
    main = {
        X_RESOLUTION: exif.rational(_UNKNOWN_RESOLUTION),
        Y_RESOLUTION: exif.rational(_UNKNOWN_RESOLUTION),
        RESOLUTION_UNIT: exif.integers(SHORT, LengthUnit.INCH),
        _YCBCR_POSITIONING: exif.integers(SHORT, _CENTRED),
    }
    camera = {
        _EXIF_VERSION: Value(UNDEFINED, b"0232"),
        _COMPONENTS: Value(UNDEFINED, b"\1\2\3\0"),
        _FLASHPIX_VERSION: Value(UNDEFINED, b"0100"),
        _COLOR_SPACE: exif.integers(SHORT, _SRGB if is_srgb else _UNCALIBRATED),
        _PIXEL_WIDTH: exif.integers(LONG, width),
        _PIXEL_HEIGHT: exif.integers(LONG, height),
    }
    others = {**exif.others, CAMERA: {**camera, **exif.others.get(CAMERA, {})}}
    return replace(exif, main={**main, **exif.main}, others=others)


def with_iptc(exif: TiffDirectories, iptc: bytes | None) -> TiffDirectories:
    """Add an IPTC record under TIFF's tag, for formats without a container for it."""
    return exif if iptc is None else replace(exif, main={**exif.main, IPTC_TAG: Value(UNDEFINED, iptc)})


def fit_exif(exif: TiffDirectories, largest: int, place: str, warn: Warn) -> bytes:
    """The record in at most `largest` bytes: where it is longer, first the camera maker's block is left out, then
    the longest values.
    """
    others = {name: dict(directory) for name, directory in exif.others.items()}
    record, left_out = replace(exif, main=dict(exif.main), others=others), list[str]()
    while len(data := record.to_bytes()) > largest:
        values = ((tag == MAKER_NOTE, len(tags[tag].data), tag, tags) for tags in record.directories() for tag in tags)
        _, _, tag, directory = max(values, key=lambda value: value[:3])
        del directory[tag]
        left_out.append(str(ExifTags.TAGS.get(tag, tag)))
    if left_out:
        warn(f"the EXIF record is too long for {place}; left out: {', '.join(left_out)}")
    return data


def _profile(icc: bytes | None, warn: Warn) -> bytes | None:
    if icc is not None and len(icc) > LARGEST_PROFILE:
        warn(f"the ICC profile is left out: of {len(icc):,} bytes, of which {LARGEST_PROFILE:,} are read at most")
        return None
    return icc


def _of_tiff(data: bytes, page: int | None, inherits: bool, warn: Warn) -> MetadataBlocks:
    blocks = MetadataBlocks(exif=exif_directories(data, warn, start=None if inherits else page))
    own = exif_directories(data, warn, start=page) if inherits and page is not None else None
    if blocks.exif is not None and own is not None:
        blocks.exif.main.update(own.main)
        blocks.exif.others.update(own.others)
    if blocks.exif is not None:
        main = blocks.exif.main
        xmp, icc = main.pop(XMP_TAG, None), main.pop(ICC_TAG, None)
        blocks.xmp, blocks.icc = (None if value is None else value.data for value in (xmp, icc))
    return blocks


def _of_info(info: dict[Any, Any], warn: Warn) -> MetadataBlocks:
    exif, note = _bytes(info.get("exif")), _bytes(info.get("comment"))
    blocks = MetadataBlocks(exif=None if exif is None else exif_directories(exif, warn), xmp=_bytes(info.get("xmp")))
    if note is not None:
        blocks.texts.append(comment(note))
    dots = info.get("dpi")
    if isinstance(dots, tuple) and min(dots) > 0:
        blocks.resolution = from_metres(*(round(dot / 0.0254) for dot in dots))
    return blocks


def _warn_of_moved_maker_note(exif: TiffDirectories | None, warn: Warn) -> None:
    note = None if exif is None else exif.others.get(CAMERA, {}).get(MAKER_NOTE)
    if note is not None and note.offset is not None and note.offset >= FARTHEST_MAKER_NOTE:
        warn("the camera maker's block is moved within the file: where it counts from the file's start, it is misread")


def _pop_orientation(blocks: MetadataBlocks) -> int:
    numbers = () if blocks.exif is None else blocks.exif.numbers(ORIENTATION_TAG)
    if blocks.exif is not None:
        blocks.exif.main.pop(ORIENTATION_TAG, None)
    if not numbers and (stated := _XMP_ORIENTATION.search(blocks.xmp or b"")):
        return int(stated[1])
    return numbers[0] if numbers else 1


def _move_software_to_texts(blocks: MetadataBlocks) -> None:
    """Move what names the program that wrote the file to the texts: as such it is not true of the output."""
    value = None if blocks.exif is None else blocks.exif.main.pop(SOFTWARE_TAG, None)
    if value is not None and (name := value.data.rstrip(b"\0 ").decode("utf-8", "replace")):
        blocks.texts.append(Text(SOFTWARE, name))


def _pop_iptc(exif: TiffDirectories | None, warn: Warn) -> bytes | None:
    """The IPTC record of TIFF's two places for it, which are taken out of the EXIF record."""
    values = () if exif is None else (exif.main.pop(IPTC_TAG, None), exif.main.pop(PHOTOSHOP_TAG, None))
    found = (iptc_record(value.data, warn) for value in values if value is not None)
    return next((iptc for iptc in found if iptc is not None), None)


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        value = value.encode("utf-8")
    return value if isinstance(value, bytes) and value else None
