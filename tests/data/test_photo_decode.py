import contextlib
import io
import logging
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
import tifffile
from icc_profiles import (
    ADOBE_RGB,
    SRGB,
    cmyk_profile,
    gamma_curve,
    grey_profile,
    matrix_profile,
    rgb_lookup_profile,
    srgb_curve,
)
from PIL import Image, PngImagePlugin, TiffImagePlugin

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.photo_io import (
    CorruptPhoto,
    EmptyPhoto,
    PhotoError,
    PhotoTooLarge,
    TruncatedPhoto,
    UnsupportedPhoto,
    decode_photo,
)

ADOBE = matrix_profile(ADOBE_RGB, gamma_curve(2.2))


def picture(height: int = 24, width: int = 40, channels: int = 3) -> np.ndarray:
    """Smooth, with no symmetry, so that a turn or a swapped channel shows. uint8 (height, width, channels)."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 9, columns * 6, (rows + 2 * columns) * 2, 255 - rows * 5 - columns]
    return np.stack(planes[:channels], axis=2).clip(0, 255).astype(np.uint8)


def deep_picture(channels: int = 3) -> np.ndarray:
    """The same with 16 bits, low ones set. uint16 (24, 40, channels)."""
    return picture(channels=channels).astype(np.uint16) * 255 + 77


def saved(image: Image.Image, name: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def tiff(samples: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def png16(samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def heif(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


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


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palettes_of_grey_are_grey(mode):
    grey = Image.fromarray(picture(channels=1)[..., 0])
    photo = decode_photo(saved(grey.convert(mode), "PNG"))
    assert photo.grayscale
    assert photo.pixels.shape == (24, 40, 3)
    if mode != "1":
        assert np.abs(photo.pixels[..., 0] * 255 - picture(channels=1)[..., 0]).max() < 1e-3
    else:
        assert set(np.unique(photo.pixels)) == {0.0, 1.0}


def test_one_bit_tiff_and_inverted_grey_are_the_right_way_round():
    black = np.zeros((8, 8), np.uint8)
    black[:4] = 255
    fax = saved(Image.fromarray(black).convert("1"), "TIFF", compression="group4")
    inverted = tiff(255 - black, photometric="miniswhite")
    deep = tiff((255 - black).astype(np.uint16) * 257, photometric="miniswhite")
    for data in (fax, inverted, deep):
        np.testing.assert_array_equal(decode_photo(data).pixels[..., 0] * 255, black)


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


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_deep_png_keeps_every_bit(channels):
    samples = deep_picture(channels)
    photo = decode_photo(png16(samples))
    colors = 3 if channels >= 3 else 1
    assert photo.bit_depth == 16
    assert photo.grayscale == (colors == 1)
    np.testing.assert_array_equal(np.rint(photo.pixels[..., :colors] * 65535), samples[..., :colors])
    if channels in (2, 4):
        np.testing.assert_array_equal(np.rint(photo.alpha * 65535), samples[..., colors])


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib"},
        {"planarconfig": "separate", "compression": "packbits"},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
)
def test_deep_tiff_keeps_every_bit(options):
    samples = deep_picture()
    stored = samples.transpose(2, 0, 1) if "planarconfig" in options else samples
    photo = decode_photo(tiff(np.ascontiguousarray(stored), photometric="rgb", **options))
    assert photo.bit_depth == 16
    np.testing.assert_array_equal(np.rint(photo.pixels * 65535), samples)


def test_deep_tiff_transparency_is_taken_as_declared():
    samples = deep_picture(4)
    apart = decode_photo(tiff(samples, photometric="rgb", extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(np.rint(apart.alpha * 65535), samples[..., 3])
    np.testing.assert_array_equal(np.rint(apart.pixels * 65535), samples[..., :3])

    share = np.full((24, 40, 1), 0.5)
    multiplied = np.concatenate([samples[..., :3] * share, share * 65535], axis=2).astype(np.uint16)
    together = decode_photo(tiff(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    np.testing.assert_allclose(together.pixels * 65535, samples[..., :3], atol=3)
    assert decode_photo(tiff(samples, photometric="rgb", extrasamples=["unspecified"])).alpha is None


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([[0, 65535]], np.uint16), [0, 1]),
        (np.array([[0, 2**32 - 1]], np.uint32), [0, 1]),
        (np.array([[-5, 32767]], np.int16), [0, 1]),
        (np.array([[0.25, 1.0]], np.float32), [0.25, 1]),
        (np.array([[0.25, 1.0]], np.float16), [0.25, 1]),
        (np.array([[51.0, 255.0]], np.float64), [0.2, 1]),
        (np.array([[13107.0, 65535.0]], np.float32), [0.2, 1]),
    ],
)
def test_grey_of_any_number_type_is_scaled(samples, expected):
    photo = decode_photo(tiff(samples, photometric="minisblack"))
    assert photo.grayscale
    assert photo.bit_depth == 16
    np.testing.assert_allclose(photo.pixels[0, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pillows_own_deep_grey_is_read(mode):
    grey = deep_picture(1)[..., 0]
    samples = {"I;16": grey, "I": grey.astype(np.int32) << 15, "F": (grey / 65535).astype(np.float32)}[mode]
    photo = decode_photo(saved(Image.fromarray(samples), "TIFF"))
    np.testing.assert_allclose(photo.pixels[..., 1], grey / 65535, atol=2e-5)


def test_color_in_floats_is_read():
    photo = decode_photo(tiff(picture().astype(np.float32) / 255, photometric="rgb"))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=1e-3)
    for value, error in ((np.nan, CorruptPhoto), (np.inf, CorruptPhoto), (1e6, UnsupportedPhoto)):
        samples = np.full((4, 4), 0.5, np.float32)
        samples[1, 1] = value
        with pytest.raises(error):
            decode_photo(tiff(samples))


def test_cmyk_is_converted(caplog):
    caplog.set_level(logging.WARNING)
    image = Image.fromarray(picture()).convert("CMYK")
    plain = decode_photo(saved(image, "JPEG", quality=100, subsampling=0))
    assert np.abs(plain.pixels * 255 - picture()).max() <= 8
    profiled = decode_photo(saved(image, "TIFF", icc_profile=cmyk_profile()))
    assert np.abs(profiled.pixels - plain.pixels).max() > 0.1
    assert profiled.metadata.icc is None
    assert not caplog.text
    decode_photo(saved(image, "TIFF", icc_profile=ADOBE))
    assert "RGB on a CMYK photo" in caplog.text


def test_lab_is_converted():
    lab = np.zeros((4, 4, 3), np.uint8)
    lab[..., 0] = 255
    file = io.BytesIO()
    Image.frombytes("LAB", (4, 4), lab.tobytes()).save(file, "TIFF")
    assert decode_photo(file.getvalue()).pixels.min() > 0.98


def test_profiles_are_applied_and_remembered():
    samples = picture()
    plain = decode_photo(saved(Image.fromarray(samples), "PNG"))
    wide = decode_photo(saved(Image.fromarray(samples), "PNG", icc_profile=ADOBE))
    same = decode_photo(saved(Image.fromarray(samples), "PNG", icc_profile=matrix_profile(SRGB, srgb_curve())))
    assert np.abs(wide.pixels - plain.pixels).max() > 0.05
    assert wide.metadata.icc == ADOBE
    np.testing.assert_array_equal(same.pixels, plain.pixels)

    grey = Image.fromarray(picture(channels=1)[..., 0])
    dark = decode_photo(saved(grey, "PNG", icc_profile=grey_profile(gamma_curve(1.0))))
    assert dark.grayscale
    assert dark.pixels.mean() > decode_photo(saved(grey, "PNG")).pixels.mean() + 0.05


def test_sixteen_bits_survive_a_matrix_profile_but_not_a_table():
    icc = zlib.compress(ADOBE)
    wide = decode_photo(png16(deep_picture(), (b"iCCP", b"a\0\0" + icc)))
    assert wide.bit_depth == 16
    assert len(np.unique(wide.pixels)) > 1500
    table = zlib.compress(rgb_lookup_profile(both_ways=True))
    assert decode_photo(png16(deep_picture(), (b"iCCP", b"a\0\0" + table))).bit_depth == 8


def test_a_broken_profile_is_ignored_with_a_warning(caplog):
    caplog.set_level(logging.WARNING)
    photo = decode_photo(saved(Image.fromarray(picture()), "PNG", icc_profile=b"rubbish" * 50))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=1e-3)
    assert photo.metadata.icc is None
    assert "ICC profile is ignored" in caplog.text


FILES = {
    "PNG": saved(Image.fromarray(picture(200, 300)), "PNG"),
    "PNG16": png16(np.tile(deep_picture(), (9, 9, 1))),
    "JPEG": saved(Image.fromarray(picture(200, 300)), "JPEG"),
    "WEBP": saved(Image.fromarray(picture(200, 300)), "WEBP"),
    "TIFF": saved(Image.fromarray(picture(200, 300)), "TIFF", compression="tiff_lzw"),
    "TIFF16": tiff(np.tile(deep_picture(), (9, 9, 1)), photometric="rgb", compression="zlib"),
    "BMP": saved(Image.fromarray(picture(200, 300)), "BMP"),
    "GIF": saved(Image.fromarray(picture(200, 300)), "GIF"),
    "AVIF": saved(Image.fromarray(picture(200, 300)), "AVIF"),
    "HEIF": heif(Image.fromarray(picture(64, 64))),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_an_error(name):
    data = FILES[name]
    for share in (0.1, 0.5, 0.9):
        with pytest.raises((TruncatedPhoto, CorruptPhoto), match="fetch it again"):
            decode_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["PNG", "PNG16", "JPEG", "BMP", "GIF", "TIFF16"])
def test_a_file_cut_short_says_so(name):
    with pytest.raises(TruncatedPhoto, match="fetch it again"):
        decode_photo(FILES[name][: int(len(FILES[name]) * 0.9)])


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_raise_photo_errors_only(name):
    random = np.random.default_rng(7)
    for _ in range(60):
        data = bytearray(FILES[name])
        for position in random.integers(0, min(len(data), 2000), 12):
            data[position] = random.integers(0, 256)
        with contextlib.suppress(PhotoError):
            photo = decode_photo(bytes(data), limits=DecodeLimits(max_pixels=1_000_000))
            assert np.isfinite(photo.pixels).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html>404</html>", "HTML"),
        (b'{"error": "AccessDenied"}', "JSON"),
        (b"%PDF-1.7 ....", "PDF"),
        (b"\0" * 5000, "nothing but zeros"),
        (b"8BPS\0\1", "Photoshop"),
        (b"II*\0\x10\0\0\0CR\2\0", "begins with"),
        (b"hello world", "begins with b'hello wo'"),
        (b"\0\0\0\x20ftypisom\0\0\0\0isomiso2", "begins with"),
    ],
)
def test_other_files_are_named(data, message):
    with pytest.raises(UnsupportedPhoto, match=message):
        decode_photo(data)


def test_raw_files_of_cameras_are_not_taken_for_their_preview():
    for tags in ([(50706, "B", 4, b"\1\4\0\0", True)], [(254, "I", 1, 1, True)]):
        with pytest.raises(UnsupportedPhoto, match="develop it first"):
            decode_photo(tiff(picture(), photometric="rgb", extratags=tags))


def test_an_empty_file_is_an_error():
    with pytest.raises(EmptyPhoto, match="is empty"):
        decode_photo(b"")


def test_limits_are_checked_before_decoding():
    with pytest.raises(PhotoTooLarge, match=r"960 pixels is more than the limit of 959"):
        decode_photo(saved(Image.fromarray(picture()), "PNG"), limits=DecodeLimits(max_pixels=959))
    data = saved(Image.fromarray(picture()), "PNG")
    with pytest.raises(PhotoTooLarge, match="bytes, more than the limit of 100"):
        decode_photo(data, limits=DecodeLimits(max_bytes=100))
    for name, photo in FILES.items():
        with pytest.raises(PhotoTooLarge, match="more than"):
            decode_photo(photo, limits=DecodeLimits(max_pixels=100))
        assert name


@pytest.mark.parametrize("side", [20_000, 100_000])
def test_a_decompression_bomb_is_an_error(side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(PhotoTooLarge, match="raise max_pixels"):
        decode_photo(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + bytes(100))


def test_a_limit_above_pillows_own_is_honoured(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode_photo(saved(Image.fromarray(picture()), "PNG")).pixels.shape == (24, 40, 3)


def test_a_broken_iptc_record_costs_no_photo(caplog):
    info = PngImagePlugin.PngInfo()
    for resource in ("3842494d0404", "3842494d04040000"):
        info.add_text("Raw profile type iptc", f"\niptc\n       6\n{resource}")
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (10, 20, 30)).save(buffer, "PNG", pnginfo=info)
        assert decode_photo(buffer.getvalue(), limits=DecodeLimits()).metadata.iptc is None
    assert "IPTC record cannot be read" in caplog.text


def test_samples_that_no_photo_has_are_refused_before_they_are_decoded():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((16, 16, 40), np.uint16), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UnsupportedPhoto, match="40 values a pixel"):
        decode_photo(buffer.getvalue(), limits=DecodeLimits())


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


def test_malformed_exif_does_not_cost_the_photo(caplog):
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
