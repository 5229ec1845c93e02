"""Cost of decoding a photo, estimated from its header alone: peak memory, and pixels visited by the decoder."""

import io
import struct
from dataclasses import replace
from typing import Any

from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decode_heif import open_heif, picture_of
from pasd_batch.photos.decoding_memory import DecodingCost, DecodingMemory
from pasd_batch.photos.errors import EmptyPhoto, PhotoTooLarge
from pasd_batch.photos.formats import SourceFormat, source_format
from pasd_batch.photos.heif_items import stated_size
from pasd_batch.photos.jpeg_scans import Frame, frame
from pasd_batch.photos.jpeg_segments import before_scans
from pasd_batch.photos.limits import check_file_size, check_pixels
from pasd_batch.photos.metadata import read_metadata, strip_metadata
from pasd_batch.photos.metadata_blocks import ORIENTATION_TAG
from pasd_batch.photos.png_chunks import header_chunks
from pasd_batch.photos.stated_colors import stated_colors
from pasd_batch.photos.stored_form import avif_bits
from pasd_batch.photos.tiff_cost import tiff_cost

_MIB = 1 << 20
_START_OF_SCAN = b"\xff\xda"
_BMP_RUN_LENGTHS = (1, 2)
_PNG_GREY, _PNG_PALETTE, _PNG_WITH_ALPHA = (0, 4), 3, (4, 6)
_PNG_MAY_TURN = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")
_WEBP_BYTES = 18
"""Bytes per pixel: two canvases of an animation, the decoder's picture, and Pillow's."""

_CANVAS_BYTES = 4
"""Bytes per pixel of an animation's canvas."""

_CMYK_BYTES = 10
"""Bytes per pixel of a CMYK JPEG: its samples, and Pillow's copies of them."""

_CODEC_BYTES = 12 << 20
"""Memory of an AV1 decoder for a picture of any size."""

_PLUGINS: dict[SourceFormat, type[ImageFile]] = {
    # Not `Image.open`, whose limit is one for the whole process.
    SourceFormat.JPEG: JpegImagePlugin.JpegImageFile,
    SourceFormat.BMP: BmpImagePlugin.BmpImageFile,
    SourceFormat.GIF: GifImagePlugin.GifImageFile,
    SourceFormat.AVIF: AvifImagePlugin.AvifImageFile,
}

_WORK_OF_A_BMP_RUN = 200
"""Pixels per byte of run-length data, which Pillow decodes in Python: as slow as so many pixels elsewhere."""


def check_cost(data: bytes, limits: DecodeLimits, page: int | None = None) -> DecodingCost:
    """Cost of decoding a file's first picture, or that of number `page`, within its limits.

    Raises:
        EmptyPhoto, UnsupportedPhoto, CorruptPhoto: as their names say.
        PhotoTooLarge: a file of more bytes, a photo of more pixels, or more memory to decode it, than allowed.
    """
    if not data:
        raise EmptyPhoto("the file is empty; fetch it again from its source")
    check_file_size(len(data), limits)
    most = limits.max_decoded_mib * _MIB
    cost = decoding_cost(data, source_format(data), page or 1)
    if cost is None:
        return DecodingCost(1, 1, most, 1, is_bounded=False)
    check_pixels(cost.width, cost.height, limits)
    if cost.nbytes > most:
        raise PhotoTooLarge(
            f"decoding {cost.width} x {cost.height} pixels takes {-(-cost.nbytes // _MIB):,} MiB, more than the limit "
            f"of {limits.max_decoded_mib:,}; raise limits.max_decoded_mib if the photo is meant to be that large"
        )
    return cost


def decoding_cost(data: bytes, kind: SourceFormat, page: int = 1) -> DecodingCost | None:
    """The cost of a page of a file of that kind; None if its header cannot be read, as of most that are damaged."""
    try:
        match kind:
            case SourceFormat.JPEG if (header := frame(data)) is not None and (header.bits != 8 or header.is_jpeg_ls):
                return _of_deep_jpeg(data, header)
            case SourceFormat.PNG:
                return _of_later_frame(_of_png(data), page)
            case SourceFormat.WEBP:
                return _of_later_frame(_of_webp(data), page)
            case SourceFormat.TIFF:
                return tiff_cost(data, page)
            case SourceFormat.HEIF:
                return _of_heif(data, page)
            case _:
                return _of_later_frame(_of_pillow(data, kind), page)
    except Exception:  # noqa: BLE001 (readers raise almost anything on hostile files; decoding says what is wrong)
        return _of_container(data) if kind in (SourceFormat.AVIF, SourceFormat.HEIF) else None


def _of_later_frame(cost: DecodingCost, page: int) -> DecodingCost:
    """Cost of a later frame of an animation, before which all others are drawn on an 8-bit canvas."""
    if page == 1:
        return cost
    canvas = _CANVAS_BYTES * cost.width * cost.height
    return replace(cost, nbytes=cost.nbytes + canvas, work=cost.work * page)


def _of_container(data: bytes) -> DecodingCost | None:
    """Upper bound of the cost of a HEIC or AVIF file whose library refuses its size."""
    size = stated_size(data)
    return None if size is None else DecodingMemory(*size, 3, True, 2, 2 * 3, converts=True).cost(is_bounded=False)


def _of_pillow(data: bytes, kind: SourceFormat) -> DecodingCost:
    pixels = strip_metadata(data, kind)
    image: Any = _PLUGINS[kind](io.BytesIO(pixels))
    has_alpha = image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    color = 1 if image.mode in ("1", "L", "LA", "La") else 3
    width, height = image.size
    header = before_scans(data) if kind is SourceFormat.JPEG else data
    metadata, stated = read_metadata(header, kind, image.info, _discard_warning)
    stated_otherwise = stated_colors(data, kind, _discard_warning, exif=metadata.exif) is not None
    has_other_colors = metadata.icc is not None or stated_otherwise
    converts = has_other_colors and image.mode != "CMYK"
    orientation = image.getexif().get(ORIENTATION_TAG, 1) if kind is SourceFormat.AVIF else stated
    memory = DecodingMemory(width, height, color, has_alpha, 1, 0, orientation != 1, converts)
    match kind:
        case SourceFormat.JPEG:
            return _of_jpeg(pixels, image, memory)
        case SourceFormat.AVIF:
            size = 2 if avif_bits(data) > 8 else 1
            codec_bytes = (
                5 + 2 * (color + has_alpha) * size
            )  # the codec's planes, and the picture that it makes of them
            return replace(memory, sample_bytes=size, codec_bytes=codec_bytes).cost(
                parts=_CODEC_BYTES, is_bounded=False
            )
        case SourceFormat.BMP if int.from_bytes(data[30:34], "little") in _BMP_RUN_LENGTHS:
            return memory.cost(work=len(data) * _WORK_OF_A_BMP_RUN)
        case SourceFormat.GIF:
            return replace(memory, codec_bytes=2).cost()  # pictures of an animation, one byte a pixel
        case _:
            return memory.cost()


def _discard_warning(_: str) -> None:
    """Discard a warning, which decoding gives again."""


def _of_png(data: bytes) -> DecodingCost:
    """Cost of a PNG, without Pillow, which refuses files for damaged ancillary chunks."""
    header = dict(header_chunks(data))
    width, height, bits, kind = struct.unpack_from(">IIBB", header[b"IHDR"])
    color, has_alpha = 1 if kind in _PNG_GREY else 3, kind in _PNG_WITH_ALPHA or b"tRNS" in header
    turns = any(word in data for word in _PNG_MAY_TURN)  # these chunks may follow the pixels
    converts = b"iCCP" in header or stated_colors(data, SourceFormat.PNG, _discard_warning) is not None
    memory = DecodingMemory(width, height, color, has_alpha, 1, 0, turns, converts)
    if bits < 16:
        return memory.cost()
    return replace(
        memory, sample_bytes=2, codec_bytes=2 if kind == 0 else 4
    ).cost()  # Pillow's own pixels go when it is closed


def _of_jpeg(data: bytes, image: Any, memory: DecodingMemory) -> DecodingCost:
    """Cost of a JPEG: with several scans all coefficients are kept, and each scan visits all pixels."""
    samples = len(image.layer)
    memory = replace(memory, codec_bytes=_CMYK_BYTES if image.mode == "CMYK" else 0)
    first_scan = data.rfind(_START_OF_SCAN, 0, image.fp.tell())
    if "progressive" not in image.info and data[first_scan + 4] == samples:
        return memory.cost()
    factors = [across * down for _, across, down, _ in image.layer]
    coefficients = 2 * sum(factors) / max(factors)
    scans = data.count(_START_OF_SCAN, first_scan)
    # A damaged file is decoded up to three times, one after the other.
    return memory.cost(decoder=coefficients + 2 * samples, work=memory.width * memory.height * scans)


def _of_deep_jpeg(data: bytes, header: Frame) -> DecodingCost:
    """Cost of a JPEG of more than 8 bits or a JPEG-LS, as if its coefficients were kept (as with several scans)."""
    sample_bytes, scans = 1 if header.bits == 8 else 2, data.count(_START_OF_SCAN)
    color = 1 if header.components == 1 else 3
    memory = DecodingMemory(header.width, header.height, color, False, sample_bytes, 0, turns=True, converts=True)
    kept = (2 + sample_bytes) * header.components
    return memory.cost(decoder=kept, work=header.width * header.height * scans)


def _of_webp(data: bytes) -> DecodingCost:
    """Cost of a WebP by its first chunk, since libwebp allocates two whole canvases when it opens a file."""
    match data[12:16]:
        case b"VP8X":
            width, height = (1 + int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
            has_alpha, has_profile = bool(data[20] & 0x10), bool(data[20] & 0x20)
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
            has_alpha, has_profile = bool(bits >> 28 & 1), False
        case _:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
            has_alpha = has_profile = False
    return DecodingMemory(width, height, 3, has_alpha, 1, _WEBP_BYTES, turns=True, converts=has_profile).cost()


def _of_heif(data: bytes, page: int) -> DecodingCost:
    file = picture_of(open_heif(data), page)
    name, sample_bytes = file.mode.split(";")[0], 2 if ";16" in file.mode else 1
    color = 1 if name.startswith("L") else 3
    converts = (
        bool(file.info.get("icc_profile")) or stated_colors(data, SourceFormat.HEIF, _discard_warning) is not None
    )
    width, height = file.size
    memory = DecodingMemory(width, height, color, name.endswith(("A", "a")), sample_bytes, 2 * color, converts=converts)
    return memory.cost(is_bounded=False)
