"""Metadata of kinds that a matrix of formats does not show: too long, junk, of parts that are not carried over."""

import hashlib
import io
import re
import struct

import numpy as np
import pytest
from photo_files import heif, picture, png16, saved, tiff
from PIL import Image, PngImagePlugin

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.iptc_record import photoshop_block
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo
from pasd_batch.photos.texts import Text
from pasd_batch.photos.tiff_directory import read_directories

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
FORMATS = list(ImageFormat)
IMAGE = Image.fromarray(picture())
JPEG = saved(IMAGE, "JPEG")
RDF = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF></x:xmpmeta>'
CAPTION = "The family at the lake, ünd. " * 4000


def restored(data: bytes, name: ImageFormat) -> tuple[bytes, list[str]]:
    warnings: list[str] = []
    photo = decode_photo(data)
    written = encode_photo(photo, settings=OutputSettings(format=name), marker=MARKER, warn=warnings.append)
    return written, [*photo.warnings, *warnings]


def xmp_of(data: bytes) -> str:
    """The whole packet of a file that the product wrote, without its marker."""
    packet = decode_photo(data).metadata.xmp
    assert packet is not None
    return packet.decode()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def extended_xmp(extension: bytes, *, name: str | None = None, step: int = 65_000) -> bytes:
    name = name or hashlib.md5(extension).hexdigest().upper()
    main = f'<rdf:Description xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{name}"/>'
    segments = [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + RDF.format(main).encode())]
    for start in reversed(range(0, len(extension), step)):  # the specification asks for no order
        header = b"http://ns.adobe.com/xmp/extension/\0" + name.encode() + struct.pack(">II", len(extension), start)
        segments.append(segment(0xE1, header + extension[start : start + step]))
    return jpeg_with(*segments)


def caption(text: str) -> bytes:
    languages = f'<rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>'
    dublin_core = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    return RDF.format(
        f"<rdf:Description {dublin_core}><dc:description>{languages}</dc:description></rdf:Description>"
    ).encode()


@pytest.mark.parametrize("name", FORMATS)
def test_xmp_beyond_a_jpeg_segment_is_kept(name):
    data, warnings = restored(extended_xmp(caption(CAPTION)), name)
    assert warnings == []
    assert CAPTION in xmp_of(data)
    assert "HasExtendedXMP" not in xmp_of(data)
    if name is ImageFormat.JPEG:
        [found] = re.findall(rb'HasExtendedXMP="(\w+)"', data)
        assert data.count(b"http://ns.adobe.com/xmp/extension/\0" + found) == 2
        assert b"DigitalSourceType" in data[: data.index(b"http://ns.adobe.com/xmp/extension/")]
    else:
        assert b"HasExtendedXMP" not in data


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("fault", ["missing", "damaged", "unnamed", "junk"])
def test_an_extended_packet_that_cannot_be_used_leaves_no_mark(name, fault):
    extension = b"<junk" if fault == "junk" else caption("A caption")
    source = extended_xmp(extension, name="0" * 32 if fault == "damaged" else None)
    if fault == "missing":
        source = source.replace(b"http://ns.adobe.com/xmp/extension/\0", b"http://ns.adobe.com/xmp/somewhere/\0")
    if fault == "unnamed":
        source = source.replace(b"HasExtendedXMP", b"HasExtendedXmp")
    data, warnings = restored(source, name)
    assert len(warnings) == (2 if fault == "missing" else 1)  # where a segment of another name is there, it is told
    assert "extended XMP packet" in warnings[0]
    assert "HasExtendedXMP" not in xmp_of(data)
    assert b"HasExtendedXMP" not in data


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("namespace", "names", "part"),
    [
        ("http://ns.google.com/photos/1.0/camera/", ("MotionPhoto", "MotionPhotoVersion"), "a video"),
        ("http://ns.google.com/photos/1.0/camera/", ("MicroVideo", "MicroVideoOffset"), "a video"),
        ("http://ns.adobe.com/hdr-gain-map/1.0/", ("Version", "GainMapMax"), "a gain map"),
        ("http://ns.apple.com/HDRGainMap/1.0/", ("HDRGainMapVersion",), "a gain map"),
        ("http://ns.google.com/photos/1.0/depthmap/", ("Format", "Near"), "a depth map"),
        ("http://ns.google.com/photos/1.0/container/", ("Directory",), "further pictures"),
    ],
)
def test_marks_of_parts_that_are_not_carried_over_go(name, namespace, names, part):
    marks = " ".join(f'a:{mark}="1"' for mark in names)
    packet = RDF.format(f'<rdf:Description xmlns:a="{namespace}" {marks} a:BurstID="7"/>').encode()
    data, warnings = restored(saved(IMAGE, "JPEG", xmp=packet), name)
    assert warnings == [f"parts of the file beside its picture were left out: {part}"]
    assert not any(f":{mark}=" in xmp_of(data) for mark in names)
    assert ("BurstID" in xmp_of(data)) == (names[0].startswith(("Motion", "Micro")))


def test_multi_picture_marks_and_previews_of_jpeg_go():
    preview = b"\xff\xd8preview\xff\xd9"
    parts = segment(0xE2, b"MPF\0II*\0" + bytes(8)), segment(0xE0, b"JFXX\0\x10" + preview)
    photoshop = struct.pack(">4sHHI", b"8BIM", 1036, 0, len(preview)) + preview + b"\0"
    data, warnings = restored(jpeg_with(*parts, segment(0xED, b"Photoshop 3.0\0" + photoshop)), ImageFormat.JPEG)
    assert warnings == []
    assert not any(mark in data for mark in (b"MPF\0", b"JFXX", preview, b"8BIM"))


JUNK = bytes(32)
MAKER = Image.Exif()
MAKER[271] = "Maker"
LOST_DIRECTORY = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 34665, 4, 1, 1 << 30, 0)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    return png16(picture().astype(np.uint16) * 257, *chunks)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_with((b"eXIf", JUNK)), "EXIF record cannot be read"),
        (saved(IMAGE, "WEBP", exif=JUNK), "EXIF record cannot be read"),
        (heif(IMAGE, exif=JUNK), "EXIF record cannot be read"),
        (saved(IMAGE, "AVIF", exif=MAKER).replace(b"MM\0*", bytes(4)), "EXIF record cannot be read"),
        (jpeg_with(segment(0xE1, b"Exif\0\0" + JUNK)), "EXIF record cannot be read"),
        (png_with((b"tEXt", b"Raw profile type exif\0\nexif\n   5\n4578696\n")), "not hexadecimal"),
        (png_with((b"zTXt", b"Title\0\0junk")), "zTXt chunk cannot be read"),
        (png_with((b"iTXt", b"Title\0\0\0en\0\0\xff\xfe")), "iTXt chunk cannot be read"),
        (saved(IMAGE, "WEBP", xmp=b"<junk"), "XMP packet cannot be read"),
        (jpeg_with(segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04")), "IPTC record cannot be read"),
        (jpeg_with(segment(0xE1, b"Exif\0\0" + LOST_DIRECTORY)), "EXIF tags were left out"),
        (jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\2half")), "1 of its 2 parts"),
        (jpeg_with(segment(0xE2, b"MPF\0MM\0*junk"), segment(0xE0, b"JFIF\0\1"), segment(0xFE, b"a comment")), ""),
        (tiff(picture(), photometric="rgb", extratags=[(33723, "B", 4, b"junk", True)]), "IPTC record cannot be read"),
    ],
)
def test_junk_is_left_out_with_a_warning(name, data, message):
    written, warnings = restored(data, name)
    assert [warning for warning in warnings if message in warning] == warnings
    assert len(warnings) == (message != "")
    assert decode_photo(written).pixels.shape == decode_photo(data).pixels.shape
    assert decode_photo(written).warnings == ()


TEXTS = {
    "Title": "Großmutter",
    "Author": "Jürgen",
    "Description": "東京の写真 " * 300,
    "Copyright": "© 2020",
    "Creation Time": "Fri, 01 May 1931 10:00:00 +0000",
    "Comment": "Auf der Rückseite",
}


def png_with_texts() -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in TEXTS.items():
        info.add_itxt(keyword, text, zip=True) if keyword == "Description" else info.add_text(keyword, text)
    info.add_itxt("Title", "Grandmother", lang="en", tkey="Title")
    info.add_text("parameters", "steps: 20")
    info.add_text("Software", "GIMP")
    return saved(IMAGE, "PNG", pnginfo=info)


def test_texts_of_png_stay_texts_in_png():
    data, warnings = restored(png_with_texts(), ImageFormat.PNG)
    assert warnings == []
    again = Image.open(io.BytesIO(data))
    again.load()
    texts = again.info
    assert {(text.keyword, text.text) for text in decode_photo(data).metadata.texts} >= {
        *TEXTS.items(),
        ("parameters", "steps: 20"),
    }
    assert Text("Title", "Grandmother", "en", "Title") in decode_photo(data).metadata.texts
    assert str(texts["Software"]).startswith("pasd-batch 9.9")
    assert 'xmp:CreatorTool="GIMP"' in xmp_of(data)


@pytest.mark.parametrize("name", [ImageFormat.JPEG, ImageFormat.WEBP, ImageFormat.TIFF])
def test_texts_of_png_become_xmp_in_other_formats(name):
    data, warnings = restored(png_with_texts(), name)
    assert warnings == ["texts that the output has no place for were left out: parameters"]
    packet = xmp_of(data)
    assert all(text in packet for keyword, text in TEXTS.items() if keyword not in ("Creation Time", "Comment"))
    assert '<rdf:li xml:lang="en">Grandmother</rdf:li>' in packet
    assert 'xmp:CreateDate="1931-05-01T10:00:00+00:00"' in packet
    if name is ImageFormat.JPEG:
        assert Image.open(io.BytesIO(data)).info["comment"] == TEXTS["Comment"].encode()
    else:
        assert TEXTS["Comment"] in packet


def test_a_text_that_xmp_says_otherwise_is_named():
    packet = caption("Another caption")
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    info.add_text("Description", "A caption")
    data, warnings = restored(saved(IMAGE, "PNG", pnginfo=info), ImageFormat.TIFF)
    assert warnings == ["texts that the output has no place for were left out: Description"]
    assert "Another caption" in xmp_of(data)


@pytest.mark.parametrize("content", ["für".encode(), "für".encode("latin-1"), b"x" * 65_533])
def test_comments_of_jpeg_keep_their_bytes(content):
    data, warnings = restored(jpeg_with(segment(0xFE, content)), ImageFormat.JPEG)
    assert warnings == []
    assert Image.open(io.BytesIO(data)).info["comment"] == content


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_camera_makers_block_keeps_its_place_and_its_bytes(name, order):
    note = bytes(range(256)) * 4
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    main = struct.pack(f"{order}HHHII I", 1, 34665, 4, 1, 26, 0)
    camera = struct.pack(f"{order}HHHII I", 1, 37500, 7, len(note), 300, 0)
    record = (header + main + camera).ljust(300, b"\0") + note
    photo = decode_photo(jpeg_with(segment(0xE1, b"Exif\0\0" + record)))
    settings = OutputSettings(format=name)
    data = encode_photo(photo, settings=settings, marker=MARKER)
    start = data.index(record[:4])
    assert data[start + 300 : start + 300 + len(note)] == note
    assert decode_photo(data).warnings == ()


@pytest.mark.parametrize("name", FORMATS)
def test_bigtiff_and_long_iptc_are_carried(name):
    iptc = b"\x1c\x02\x78\x00\x05Hello" + (b"\x1c\x02\x19\x00\x40" + b"k" * 64) * 1500
    block = photoshop_block(iptc)
    tags = [(270, "s", 0, "Großmutter".encode(), True), (34377, "B", len(block), block, True)]
    data = tiff(picture(), photometric="rgb", bigtiff=True, byteorder="<", metadata=None, extratags=tags)
    written, warnings = restored(data, name)
    assert warnings == []
    metadata = decode_photo(written).metadata
    assert metadata.iptc == iptc
    assert metadata.exif is not None
    assert read_directories(metadata.exif, warnings.append).main[270].data.startswith("Großmutter".encode())
