"""TIFF files that one library misreads, and another reads."""

import io

import numpy as np
import pytest
import tifffile
from photo_files import picture, tiff
from PIL import Image

from pasd_batch.data.photo_io import UnsupportedPhoto, decode_photo


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


def two_pages(first: dict, second: dict, **options) -> bytes:
    """A reduced page before a full one, each with tags of its own."""
    file, full = io.BytesIO(), picture()
    with tifffile.TiffWriter(file, **options) as writer:
        writer.write(full[::4, ::4], photometric="rgb", subfiletype=1, **first)
        writer.write(full, photometric="rgb", **second)
    return file.getvalue()


@pytest.mark.parametrize("compression", [None, "jpeg"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_metadata_are_those_of_the_page_that_is_read(byteorder, bigtiff, compression):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    first = {"software": False, "extratags": [(315, "s", 0, "Ada", True), (270, "s", 0, "small", True)]}
    second = {"software": False, "extratags": [(270, "s", 0, "large", True), (700, "B", len(xmp), xmp, True)]}
    second |= {"resolution": (300, 300), "resolutionunit": 2, "compression": compression, "metadata": None}
    photo = decode_photo(two_pages(first | {"metadata": None}, second, byteorder=byteorder, bigtiff=bigtiff))
    exif = photo.metadata.exif or b""
    assert b"large\0" in exif
    assert b"Ada\0" in exif  # of the reduced page, as the full one names nobody
    assert b"small" not in exif
    assert (photo.metadata.xmp, photo.metadata.resolution and photo.metadata.resolution.x) == (xmp, 300)


@pytest.mark.parametrize("compression", [None, "jpeg"])
@pytest.mark.parametrize("page", [0, 1])
def test_orientation_is_the_pages_or_the_first_ones(page, compression):
    turned = {"extratags": [(274, "H", 1, 6, True)]}
    options: list[dict] = [{}, {"compression": compression, "compressionargs": {"level": 100} if compression else {}}]
    options[page] |= turned
    photo = decode_photo(two_pages(*options))
    np.testing.assert_allclose(photo.pixels * 255, np.rot90(picture(), -1), atol=12 if compression else 0.01)


@pytest.mark.parametrize("is_first_reduced", [False, True])
def test_pyramids_are_read_in_full(is_first_reduced):
    file, full = io.BytesIO(), picture()
    small = full[::4, ::4]
    first, second = (small, full) if is_first_reduced else (full, small)
    with tifffile.TiffWriter(file) as writer:
        writer.write(first, photometric="rgb", subifds=1, subfiletype=int(is_first_reduced))
        writer.write(second, photometric="rgb", subfiletype=int(not is_first_reduced))
    np.testing.assert_allclose(decode_photo(file.getvalue()).pixels * 255, full, atol=0.01)


def test_a_full_picture_below_a_reduced_one_that_is_not_read_is_refused_by_name():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture()[::4, ::4], photometric="rgb", subifds=1, subfiletype=1)
        writer.write(picture(), photometric="rgb", compression="jpeg")
    with pytest.raises(UnsupportedPhoto, match="below a reduced copy; save it as its first page"):
        decode_photo(file.getvalue())
