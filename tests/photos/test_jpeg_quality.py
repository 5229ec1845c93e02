"""Quality is read from a file's own tables, whatever the program and the layout."""

import io
import struct

import numpy as np
import pytest
from degraded import jpeg_bytes
from judges import judge
from photo_files import picture, saved
from PIL import Image

from pasd_batch.photos.jpeg_quality import JpegQuality, jpeg_quality


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_quality_a_file_was_saved_with_is_read(mode):
    image = Image.fromarray(picture()).convert(mode)
    for quality in range(1, 101):
        assert jpeg_quality(saved(image, "JPEG", quality=quality)) == JpegQuality(quality, is_standard=True)


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"subsampling": 0}, {"optimize": True, "comment": b"x" * 70}]
)
def test_other_layouts_have_the_same_tables(options):
    assert jpeg_quality(jpeg_bytes(picture(), 83, **options)) == JpegQuality(83, is_standard=True)


def test_imagemagick_agrees(tmp_path):
    for quality in (10, 49, 50, 75, 92):
        judge("convert", "-size", "32x32", "gradient:", "-quality", str(quality), str(tmp_path / "photo.jpg"))
        assert jpeg_quality((tmp_path / "photo.jpg").read_bytes()) == JpegQuality(quality, is_standard=True)


def with_tables(luma: np.ndarray, chroma: np.ndarray) -> bytes:
    file = io.BytesIO()
    tables = {0: luma.ravel().tolist(), 1: chroma.ravel().tolist()}
    Image.fromarray(picture()).save(file, "JPEG", qtables=tables)
    return file.getvalue()


def saved_tables(quality: int) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(jpeg_bytes(picture(), quality)))
    return [np.array(table) for table in image.quantization.values()]


def test_tables_of_ones_own_are_read_as_the_nearest_quality_and_said():
    luma, chroma = saved_tables(70)
    luma[10:13] += 1
    assert jpeg_quality(with_tables(luma, chroma)) == JpegQuality(70, is_standard=False)
    flat = jpeg_quality(with_tables(np.full(64, 16), np.full(64, 16)))
    assert not flat.is_standard
    assert 75 < flat.value < 90


def test_chroma_of_another_quality_is_said():
    assert jpeg_quality(with_tables(saved_tables(80)[0], saved_tables(60)[1])) == JpegQuality(80, is_standard=False)


def test_presets_rise():
    presets = ("web_low", "web_medium", "web_high", "web_very_high", "web_maximum")
    values = [jpeg_quality(saved(Image.fromarray(picture()), "JPEG", quality=name)).value for name in presets]
    assert values == sorted(values)


def test_16_bit_tables_are_read():
    data = jpeg_bytes(picture(), 60)
    start = data.index(b"\xff\xdb")
    (length,) = struct.unpack_from(">H", data, start + 2)
    assert length == 67  # one table in its segment
    wide = struct.pack(">BBHB64H", 0xFF, 0xDB, 131, 0x10, *data[start + 5 : start + 69])
    assert jpeg_quality(data[:start] + wide + data[start + 69 :]) == JpegQuality(60, is_standard=True)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xdb", b"\xff\xd8\xff\xdb\0\x43\0" + bytes(64)]
)
def test_what_has_no_table_has_no_quality(data):
    assert jpeg_quality(data) is None


def test_other_formats_have_no_quality():
    assert jpeg_quality(saved(Image.fromarray(picture()), "PNG")) is None


def test_a_file_that_is_cut_short_anywhere_does_no_harm():
    data = jpeg_bytes(picture(), 75)
    found = {jpeg_quality(data[:length]) for length in range(0, len(data), 3)}
    assert JpegQuality(75, is_standard=True) in found
    assert found <= {None, JpegQuality(75, is_standard=True), JpegQuality(75, is_standard=False)}
