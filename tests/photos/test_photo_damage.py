"""Damaged photos are told from whole ones, by a warning or, where it is asked for, an error."""

import zlib

import numpy as np
import pytest
from judges import judge
from photo_files import png16, saved
from PIL import Image

from pasd_batch.config.photos import DecodeLimits, OnDamage
from pasd_batch.photos.photo_io import CorruptPhoto, TruncatedPhoto, UnsupportedPhoto, decode_photo
from pasd_batch.photos.png_chunks import png_chunk

FAIL = DecodeLimits(on_damage=OnDamage.FAIL)
JPEG_OPTIONS = [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}, {"restart_marker_rows": 1}]


def textured(height: int = 160, width: int = 240) -> Image.Image:
    """Noise on gradients, so that damage anywhere changes pixels."""
    random = np.random.default_rng(11)
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([rows, columns, (rows + columns) // 2], axis=2)
    return Image.fromarray((smooth + random.integers(0, 40, smooth.shape)).clip(0, 255).astype(np.uint8))


def zeroed(data: bytes, start: int, count: int = 600) -> bytes:
    return data[:start] + bytes(count) + data[start + count :]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEG_OPTIONS, ids=str)
def test_damaged_jpegs_are_told(options, mode):
    """All but those in which what follows the damage happens to fit: to libjpeg, those are another photo."""
    data = saved(textured().convert(mode), "JPEG", **options)
    assert decode_photo(data, limits=FAIL).warnings == ()
    told = 0
    for share in (0.2, 0.4, 0.6, 0.8):
        start = int(len(data) * share)
        for damaged in (zeroed(data, start), data[:start] + data[start + 700 :]):
            for warning in decode_photo(damaged).warnings:
                told += 1
                assert "JPEG file is damaged" in warning
                with pytest.raises(CorruptPhoto, match=r"fetch it again, or set limits\.on_damage to warn"):
                    decode_photo(damaged, limits=FAIL)
    assert told >= 7


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEG_OPTIONS, ids=str)
def test_a_jpeg_without_its_end_marker_is_whole_and_a_cut_one_is_not(options, mode):
    data = saved(textured().convert(mode), "JPEG", **options)
    photo = decode_photo(data[:-2])
    np.testing.assert_array_equal(photo.pixels, decode_photo(data).pixels)
    assert photo.warnings == ("the JPEG file lacks its end marker, all of its photo is there",)
    for cut in (data[:-12], data[: len(data) // 2]):
        with pytest.raises(TruncatedPhoto, match="fetch it again"):
            decode_photo(cut)


def test_a_progressive_jpeg_cut_between_two_scans_is_not_whole():
    data = saved(textured(), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xc4"]
    for start in starts[-4:]:
        with pytest.raises(TruncatedPhoto):
            decode_photo(data[:start])


def test_the_end_marker_of_a_preview_is_not_the_photos():
    preview = saved(textured(40, 60), "JPEG")
    segment = b"\xff\xe5" + (len(preview) + 2).to_bytes(2, "big") + preview
    data = saved(textured(), "JPEG")
    data = data[:2] + segment + data[2:]
    assert decode_photo(data).warnings == ()
    with pytest.raises(TruncatedPhoto):
        decode_photo(data[: len(data) // 2])


def spoiled_checksum(png: bytes, name: bytes) -> bytes:
    """The PNG with a wrong checksum of its first chunk of that name."""
    at = png.index(name) - 4
    end = at + 8 + int.from_bytes(png[at : at + 4], "big")
    return png[:end] + bytes([png[end] ^ 1]) + png[end + 1 :]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"pHYs", b"\0\0\x0b\x13\0\0\x0b\x13\1"),
        (b"tEXt", b"Comment\0hello"),
        (b"gAMA", b"\0\0\xb1\x8f"),
        (b"eXIf", bytes(32)),
        (b"acTL", b"\0\0\0\2\0\0\0\0"),
        (b"tEXt", b"exif\0b'Exif'"),
        (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(3_000_000))),
        (b"iCCP", b"junk"),
        (b"hIST", b"\0"),
    ],
)
def test_side_chunks_of_png_never_cost_the_photo(name, content, deep):
    samples = np.asarray(textured(40, 60)).astype(np.uint16) * 257
    plain = png16(samples) if deep else saved(Image.fromarray((samples >> 8).astype(np.uint8)), "PNG")
    chunk = png_chunk(name, content)
    for side in (chunk, chunk[:-1] + bytes([chunk[-1] ^ 1])):
        photo = decode_photo(plain[:33] + side + plain[33:], limits=FAIL)
        np.testing.assert_array_equal(photo.pixels, decode_photo(plain).pixels)


@pytest.mark.parametrize("deep", [False, True])
def test_pixels_of_png_with_a_wrong_checksum_are_told(deep):
    samples = np.asarray(textured(40, 60)).astype(np.uint16) * 257
    plain = png16(samples) if deep else saved(Image.fromarray((samples >> 8).astype(np.uint8)), "PNG")
    damaged = spoiled_checksum(plain, b"IDAT")
    photo = decode_photo(damaged)
    np.testing.assert_array_equal(photo.pixels, decode_photo(plain).pixels)
    assert "part of the photo may be wrong" in photo.warnings[0]
    with pytest.raises(CorruptPhoto, match="on_damage"):
        decode_photo(damaged, limits=FAIL)
    with pytest.raises(CorruptPhoto, match="header is damaged"):
        decode_photo(spoiled_checksum(plain, b"IHDR"))
    assert decode_photo(plain[:-12]).warnings == ("the PNG file lacks its end",)
    with pytest.raises(TruncatedPhoto):
        decode_photo(plain[:-200])


def test_a_png_of_another_make_is_refused_by_name():
    plain = saved(textured(40, 60), "PNG")
    with pytest.raises(UnsupportedPhoto, match="CgBI"):
        decode_photo(plain[:8] + png_chunk(b"CgBI", bytes(4)) + plain[8:])


def damage_told(data: bytes) -> int:
    """How many of 40 damaged copies of a good TIFF file are told from whole ones, by a warning or an error."""
    assert decode_photo(data, limits=FAIL).warnings == ()
    told = 0
    for place in range(40):
        start = int(len(data) * (0.2 + 0.6 * place / 40))
        flipped = data[:start] + bytes([data[start] ^ 1 << place % 8]) + data[start + 1 :]
        for damaged in (flipped, zeroed(data, start, 64)):
            try:
                decode_photo(damaged, limits=FAIL)
            except (CorruptPhoto, TruncatedPhoto):
                told += 1
    return told


@pytest.mark.parametrize(
    ("mode", "options", "least"),
    [
        ("RGB", {"compression": "tiff_adobe_deflate"}, 80),
        ("RGB", {"compression": "jpeg"}, 30),
        ("L", {"compression": "jpeg"}, 30),
        ("1", {"compression": "group4"}, 70),
        ("1", {"compression": "group4", "tiffinfo": {262: 0, 278: 16}}, 70),
        ("1", {"compression": "group4", "tiffinfo": {274: 6}}, 60),
    ],
    ids=str,
)
def test_damage_in_tiff_is_told(mode, options, least):
    assert damage_told(saved(textured().convert(mode), "TIFF", **options)) >= least


@pytest.mark.parametrize("kind", ["group3", "group4"])
def test_whole_fax_of_other_writers_is_not_called_damaged(kind, tmp_path):
    (tmp_path / "plain.tif").write_bytes(saved(textured().convert("1"), "TIFF"))
    for name, options in {
        "strips": ["-r", "7"],
        "reversed": ["-f", "lsb2msb"],
        "tiles": ["-t", "-w", "64", "-l", "64"],
    }.items():
        made = tmp_path / f"{name}.tif"
        judge("tiffcp", "-c", kind.replace("group", "g"), *options, str(tmp_path / "plain.tif"), str(made))
        photo = decode_photo(made.read_bytes(), limits=FAIL)
        np.testing.assert_array_equal(photo.pixels[..., 0] > 0.5, np.asarray(textured().convert("1")))
