"""What is no photo, damaged, too large, or a bomb."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from photo_files import avif, deep_picture, heif, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.photo_io import (
    CorruptPhoto,
    EmptyPhoto,
    PhotoError,
    PhotoTooLarge,
    TruncatedPhoto,
    UnsupportedPhoto,
    decode_photo,
)

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
    "AVIF10": avif(np.tile(deep_picture() >> 6, (9, 9, 1)), bitspersample=10),
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
    with pytest.raises(PhotoTooLarge, match=r"raise limits\.max_pixels"):
        decode_photo(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + bytes(100))


def test_a_limit_above_pillows_own_is_honoured(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode_photo(saved(Image.fromarray(picture()), "PNG")).pixels.shape == (24, 40, 3)


def test_samples_that_no_photo_has_are_refused_before_they_are_decoded():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((16, 16, 40), np.uint16), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UnsupportedPhoto, match="40 values a pixel"):
        decode_photo(buffer.getvalue(), limits=DecodeLimits())
