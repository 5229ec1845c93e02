"""File formats, recognised by a file's signature, not by its name."""

from enum import StrEnum

from pasd_batch.photos.errors import UnsupportedPhoto


class SourceFormat(StrEnum):
    """The formats that are read."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    TIFF = "TIFF"
    BMP = "BMP"
    GIF = "GIF"
    HEIF = "HEIF"
    AVIF = "AVIF"


READ = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC or AVIF"
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop document"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
    (b"<", "an HTML or XML page, perhaps an error message saved in place of the photo"),
    (b"{", "a JSON document, perhaps an error message saved in place of the photo"),
)


def source_format(data: bytes) -> SourceFormat:
    """The format by the file's signature.

    Raises:
        UnsupportedPhoto: none of those that are read; the message says what it looks like.
    """
    head = data[:64]
    if head.startswith(b"\xff\xd8\xff"):
        return SourceFormat.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return SourceFormat.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return SourceFormat.WEBP
    if head.startswith(_TIFF_STARTS) and head[8:10] != b"CR":  # a Canon raw file is a TIFF otherwise
        return SourceFormat.TIFF
    if head.startswith(b"BM"):
        return SourceFormat.BMP
    if head.startswith((b"GIF87a", b"GIF89a")):
        return SourceFormat.GIF
    if head[4:8] == b"ftyp" and (found := _iso_media(data)) is not None:
        return found
    raise UnsupportedPhoto(f"{_looks_like(head)}, not a photo; give a file in {READ}")


def _iso_media(data: bytes) -> SourceFormat | None:
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, size, 4))}
    if brands & _AVIF_BRANDS:
        return SourceFormat.AVIF
    return SourceFormat.HEIF if brands & _HEIF_BRANDS else None


def _looks_like(head: bytes) -> str:
    if not head.strip(b"\0"):
        return "a file of nothing but zeros (its content was lost)"
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, name in _OTHER_SIGNATURES:
        if stripped.startswith(start.lower()):
            return name
    return f"a file that begins with {head[:8]!r}"
