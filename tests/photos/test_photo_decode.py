import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from photo_files import deep_picture, heif, picture, png16, saved, tiff
from PIL import Image, PngImagePlugin, TiffImagePlugin

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.photo_io import (
    decode_photo,
)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 100, "subsampling": 0}, 3),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 5),
    ],
)
def test_formats_are_read(name, options, tolerance):
    photo = decode_photo(saved(Image.fromarray(picture()), name, **options))
    assert photo.pixels.dtype == np.float32
    assert photo.pixels.shape == (24, 40, 3)
    assert (photo.height, photo.width, photo.bit_depth, photo.grayscale, photo.alpha) == (24, 40, 8, False, None)
    assert photo.metadata.source_format == name
    assert np.abs(photo.pixels * 255 - picture()).max() <= tolerance + 1e-3


def test_heic_is_read_at_its_depth():
    photo = decode_photo(heif(Image.fromarray(picture(64, 64))))
    assert photo.metadata.source_format == "HEIF"
    assert photo.bit_depth == 8
    assert np.abs(photo.pixels * 255 - picture(64, 64)).max() < 8

    deep = np.ascontiguousarray(np.tile(deep_picture(), (3, 2, 1))[:64, :64])
    file = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(64, 64), data=deep.tobytes()).save(file, quality=-1)
    assert decode_photo(file.getvalue()).bit_depth == 16


def test_of_several_pictures_the_first_is_read():
    first, second = Image.fromarray(picture()), Image.new("RGB", (40, 24), "red")
    for name in ("GIF", "TIFF", "WEBP", "PNG"):
        options = {"lossless": True} if name == "WEBP" else {}
        data = saved(first, name, save_all=True, append_images=[second], **options)
        assert np.abs(decode_photo(data).pixels * 255 - picture()).mean() < 12, name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF16", "AVIF", "PNG16"])
def test_photos_are_turned_upright(orientation, name):
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    image = Image.fromarray(picture())
    upright = image if orientation == 1 else image.transpose(turn[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    exif[271] = "Maker"
    if name == "TIFF16":
        data = tiff(picture().astype(np.uint16) * 257, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    elif name == "PNG16":
        data = png16(picture().astype(np.uint16) * 257, (b"eXIf", exif.tobytes()[6:]))
    else:
        options = {"lossless": True} if name == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
        data = saved(image, name, exif=exif, **options)
    photo = decode_photo(data)
    assert np.abs(photo.pixels * 255 - np.asarray(upright)).max() <= 6
    if photo.metadata.exif:
        kept = Image.Exif()
        kept.load(photo.metadata.exif)
        assert 274 not in kept


def test_the_orientation_may_stand_in_xmp_alone():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    xmp += b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    photo = decode_photo(saved(Image.fromarray(picture()), "JPEG", xmp=xmp))
    assert (photo.height, photo.width) == (40, 24)


def test_transparency_is_kept_apart():
    samples = picture(channels=4)
    for data in (
        saved(Image.fromarray(samples), "PNG"),
        saved(Image.fromarray(samples), "WEBP", lossless=True, exact=True),
        saved(Image.fromarray(samples), "TIFF"),
    ):
        photo = decode_photo(data)
        np.testing.assert_allclose(photo.alpha * 255, samples[..., 3], atol=1e-3)
        np.testing.assert_allclose(photo.pixels * 255, samples[..., :3], atol=1e-3)


def test_transparent_palettes_and_color_keys_become_alpha():
    palette = Image.fromarray(picture()).quantize(16)
    keyed = Image.fromarray(picture())
    key = keyed.getpixel((3, 5))
    grey = Image.fromarray(picture(channels=1)[..., 0])
    for data in (
        saved(palette, "PNG", transparency=palette.getpixel((3, 5))),
        saved(palette, "GIF", transparency=palette.getpixel((3, 5))),
        saved(keyed, "PNG", transparency=key),
        saved(grey, "PNG", transparency=grey.getpixel((3, 5))),
        png16(deep_picture(), (b"tRNS", deep_picture()[5, 3].astype(">u2").tobytes())),
        png16(deep_picture(1), (b"tRNS", deep_picture(1)[5, 3].astype(">u2").tobytes())),
    ):
        photo = decode_photo(data)
        assert photo.alpha is not None
        assert photo.alpha[5, 3] == 0.0
        assert photo.alpha.max() == 1.0


def test_a_broken_iptc_record_costs_no_photo():
    info = PngImagePlugin.PngInfo()
    for resource in ("3842494d0404", "3842494d04040000"):
        info.add_text("Raw profile type iptc", f"\niptc\n       6\n{resource}")
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (10, 20, 30)).save(buffer, "PNG", pnginfo=info)
        photo = decode_photo(buffer.getvalue(), limits=DecodeLimits())
        assert photo.metadata.iptc is None
        assert "IPTC record cannot be read" in photo.warnings[0]


def test_iptc_is_found_where_programs_put_it():
    iptc = b"\x1c\x02\x78\x00\x05Hello" + b"\x1c\x02\x50\x00\x02Me\0\0"
    block = b"Photoshop 3.0\0" + struct.pack(">4sHHI", b"8BIM", 0x0404, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    segment = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    jpeg = saved(Image.fromarray(picture()), "JPEG", extra=segment)
    as_bytes = tiff(picture(), photometric="rgb", extratags=[(33723, "B", len(iptc), iptc, True)])
    padded = iptc + b"\0" * (-len(iptc) % 4)
    words = struct.unpack(f"<{len(padded) // 4}I", padded)
    as_words = tiff(picture(), photometric="rgb", extratags=[(33723, "I", len(words), words, True)], byteorder="<")
    text = f"\niptc\n{len(iptc):8}\n{iptc.hex()}\n".encode()
    png = png16(deep_picture(), (b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    for data in (jpeg, as_bytes, as_words, png):
        found = decode_photo(data).metadata.iptc
        assert found is not None
        assert found.rstrip(b"\0") == iptc.rstrip(b"\0")


def test_malformed_exif_does_not_cost_the_photo():
    exif = Image.Exif()
    exif[271] = "Maker"
    exif[306] = "2001:01:01 00:00:00"
    data = bytearray(saved(Image.fromarray(picture()), "JPEG", exif=exif))
    start = data.index(b"Exif\0\0")
    random = np.random.default_rng(3)
    for _ in range(100):
        broken = bytearray(data)
        for position in random.integers(start + 6, start + 60, 4):
            broken[position] = random.integers(0, 256)
        assert decode_photo(bytes(broken)).pixels.shape[2] == 3


def test_tags_about_the_old_file_are_left_behind():
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = "A farm, 1910"
    photo = decode_photo(saved(Image.fromarray(picture()), "TIFF", tiffinfo=info, compression="tiff_lzw"))
    kept = Image.Exif()
    assert photo.metadata.exif is not None
    kept.load(photo.metadata.exif)
    assert dict(kept) == {270: "A farm, 1910"}
