"""TIFF files that one library misreads, and another reads."""

import io

import numpy as np
import pytest
import tifffile
from photo_files import picture, tiff
from PIL import Image

from pasd_batch.data.photo_io import decode_photo


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f2", "f4", "f8"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_numbers_of_any_kind_and_order_are_read(byteorder, kind, bigtiff):
    scale = np.iinfo(kind).max // 255 if kind[0] == "u" else 1 / 255
    samples = (picture().astype(np.float64) * scale).astype(kind)
    photo = decode_photo(tiff(samples, photometric="rgb", bigtiff=bigtiff, byteorder=byteorder))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=0.1)
    assert photo.bit_depth == (8 if kind == "u1" else 16)


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_a_reduced_page_before_the_photo_is_passed_over(kind):
    file, full = io.BytesIO(), picture().astype(kind)
    with tifffile.TiffWriter(file) as writer:
        writer.write(full[::4, ::4], photometric="rgb", subfiletype=1)
        writer.write(full, photometric="rgb")
    photo = decode_photo(file.getvalue())
    np.testing.assert_allclose(photo.pixels * np.iinfo(kind).max, picture(), atol=0.01)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_deep_cmyk_is_read_as_8_bit_cmyk_is(planar):
    inks = np.asarray(Image.fromarray(picture()).convert("CMYK"))
    deep = inks.astype(np.uint16) * 257
    deep = np.ascontiguousarray(deep.transpose(2, 0, 1)) if planar == "separate" else deep
    photo = decode_photo(tiff(deep, photometric="separated", planarconfig=planar))
    shallow = decode_photo(tiff(inks, photometric="separated"))
    np.testing.assert_array_equal(photo.pixels, shallow.pixels)
    assert "8 of its 16 bits" in photo.warnings[0]
