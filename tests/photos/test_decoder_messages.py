"""What people read about damaged files: sentences, never Python's objects."""

import contextlib
import re

import numpy as np
import pytest
from photo_files import avif, deep_picture, heif, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoder_errors import photo_error
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.photo_io import PhotoError, decode_photo

IMAGE = Image.fromarray(picture(60, 80))
FILES = {
    "PNG": saved(IMAGE, "PNG"),
    "PNG16": png16(deep_picture()),
    "JPEG": saved(IMAGE, "JPEG"),
    "progressive JPEG": saved(IMAGE, "JPEG", progressive=True),
    "WebP": saved(IMAGE, "WEBP"),
    "lossless WebP": saved(IMAGE, "WEBP", lossless=True),
    "LZW TIFF": saved(IMAGE, "TIFF", compression="tiff_lzw"),
    "deep LZW TIFF": tiff(deep_picture(), photometric="rgb", compression="lzw", predictor=2, rowsperstrip=5),
    "PackBits TIFF": saved(IMAGE, "TIFF", compression="packbits"),
    "JPEG TIFF": saved(IMAGE, "TIFF", compression="jpeg"),
    "fax TIFF": saved(IMAGE.convert("1"), "TIFF", compression="group4"),
    "deflate TIFF": tiff(deep_picture(), photometric="rgb", compression="zlib"),
    "BigTIFF": tiff(picture(), photometric="rgb", bigtiff=True, byteorder=">"),
    "float TIFF": tiff(picture().astype("f4") / 255, photometric="rgb"),
    "BMP": saved(IMAGE, "BMP"),
    "palette BMP": saved(IMAGE.convert("P"), "BMP"),
    "GIF": saved(IMAGE, "GIF"),
    "AVIF": saved(IMAGE, "AVIF"),
    "deep AVIF": avif(deep_picture() >> 6, bitspersample=10),
    "HEIC": heif(IMAGE),
}
PYTHONS_OWN = re.compile(r" at 0x|\w+(Error|Exception)\b|object has no|out of range$|\n|\(\)")


def damaged(data: bytes, random: np.random.Generator, kind: int) -> bytes:
    """Bits flipped, the end cut off, or a piece taken out."""
    changed = bytearray(data)
    match kind:
        case 0:
            for position in random.integers(0, min(len(data), 1000), 8):
                changed[position] ^= 1 << int(random.integers(0, 8))
        case 1:
            del changed[int(random.integers(1, len(data))) :]
        case _:
            start = int(random.integers(0, len(data)))
            del changed[start : start + int(random.integers(1, 200))]
    return bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_told_in_sentences(name):
    random, said = np.random.default_rng(len(name)), 0
    for attempt in range(36):
        data = damaged(FILES[name], random, attempt % 3)
        try:
            sentences = decode_photo(data, limits=DecodeLimits(max_pixels=1_000_000)).warnings
        except PhotoError as error:
            sentences = (str(error),)
        for sentence in sentences:
            said += 1
            assert not PYTHONS_OWN.search(sentence), sentence
    assert said > 8


def test_lzw_with_codes_that_do_not_exist_ends_no_process():
    """tifffile's decoder of LZW reads beyond its table."""
    good = FILES["deep LZW TIFF"]
    for start in range(200, len(good) - 40, 7):
        with contextlib.suppress(PhotoError):
            decode_photo(good[:start] + b"\xff\xfe" * 16 + good[start + 32 :])


@pytest.mark.parametrize(
    "error",
    [
        KeyError(256),
        IndexError("tuple index out of range"),
        TypeError("'<' not supported between instances of 'tuple' and 'int'"),
        ValueError("invalid literal for int() with base 10: b'P'"),
        ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"),
        OSError("cannot identify image file <_io.BytesIO object at 0x7f00deadbeef>"),
        RuntimeError(),
    ],
)
def test_pythons_own_words_are_left_out(error):
    message = str(photo_error(error, SourceFormat.TIFF))
    assert "what its header says contradicts itself or the rest of the file" in message


def test_a_decoders_words_are_kept():
    message = str(photo_error(ValueError("Invalid input:\nNo 'meta' box"), SourceFormat.HEIF))
    assert message == "the HEIF file is damaged (Invalid input: No 'meta' box); fetch it again, or save it anew"
