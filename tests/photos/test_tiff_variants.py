"""TIFF files that one library misreads, and another reads."""

import io

import numpy as np
import pytest
import tifffile
from photo_files import picture, tiff
from PIL import Image

from pasd_batch.photos.photo_io import TruncatedPhoto, UnsupportedPhoto, decode_photo


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


@pytest.mark.parametrize(("compression", "tolerance"), [(None, 0.01), ("jpeg", 12)])
def test_a_full_picture_below_a_reduced_one_is_read(compression, tolerance):
    photo = decode_photo(below_a_reduced_one(compression=compression))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=tolerance)


def test_a_full_picture_below_a_reduced_one_that_is_not_read_is_refused_by_name():
    data = bytearray(below_a_reduced_one())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        place = file.pages[0].pages[0].tags[259].valueoffset
    data[place] = 2  # fax, which is left to a library that finds pages of the main chain only
    with pytest.raises(UnsupportedPhoto, match="below a reduced copy; save it as its first page"):
        decode_photo(bytes(data))


def below_a_reduced_one(**options) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture()[::4, ::4], photometric="rgb", subifds=1, subfiletype=1)
        writer.write(picture(), photometric="rgb", **options)
    return file.getvalue()


@pytest.mark.parametrize("compression", ["lzma", "zstd", "webp", "lerc", "png", "jpegxl", "jpegxr"])
def test_what_libtiff_may_lack_is_unpacked(compression):
    photo = decode_photo(tiff(picture(), photometric="rgb", compression=compression))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=12 if compression == "jpegxr" else 0.01)
    assert photo.warnings == ()


def test_jpeg_2000_whose_colors_nobody_tells_is_refused_by_name():
    with pytest.raises(UnsupportedPhoto, match="JPEG 2000; save it with another compression"):
        decode_photo(tiff(picture(), photometric="rgb", compression="jpeg2000"))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "jpeg", "zstd"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_file_that_is_cut_is_told_whatever_packs_it(bigtiff, compression):
    data = tiff(picture(96, 128), photometric="rgb", compression=compression, rowsperstrip=16, bigtiff=bigtiff)
    with pytest.raises(TruncatedPhoto, match=r"the TIFF file has .* bytes; fetch it again"):
        decode_photo(data[:-200])


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_does_not_exist_says_nothing_and_logs_nothing(orientation, caplog):
    photo = decode_photo(tiff(picture(), photometric="rgb", extratags=[(274, "H", 1, orientation, True)]))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=0.01)
    assert (photo.warnings, caplog.records) == ((), [])


@pytest.mark.parametrize(
    ("peak", "scale"), [(1.0, 1), (1.004, 1), (1.4, 1), (15, 1), (200, 255), (255, 255), (5e4, 65535)]
)
def test_floats_above_one_are_highlights_unless_they_are_far_above(peak, scale):
    shape = picture().astype(np.float32) / picture().max()
    photo = decode_photo(tiff(shape * np.float32(peak), photometric="rgb"))
    np.testing.assert_allclose(photo.pixels, np.clip(shape * peak / scale, 0, 1), atol=1e-5)
    assert len(photo.warnings) == (peak > 1)
    assert all(f"are taken to lie between 0 and {scale}" in warning for warning in photo.warnings)


@pytest.mark.parametrize("photometric", ["rgb", "separated", "minisblack"])
@pytest.mark.parametrize("kinds", [["unspecified"], ["unassalpha", 0], [0, "unassalpha"], ["assocalpha"]])
@pytest.mark.parametrize("bits", [8, 16])
def test_transparency_is_found_among_further_channels_and_others_are_told(bits, kinds, photometric):
    kinds = ["unspecified" if kind == 0 else kind for kind in kinds]
    colors = {"rgb": 3, "separated": 4, "minisblack": 1}[photometric]
    opaque = np.asarray(Image.fromarray(picture()).convert("CMYK")) if colors == 4 else picture(channels=colors)
    alpha = np.full(opaque.shape[:2], 102, np.uint8)  # two fifths
    planes = [alpha if kind != "unspecified" else np.zeros_like(alpha) for kind in kinds]
    stored = np.rint(opaque * 0.4).astype(np.uint8) if kinds == ["assocalpha"] else opaque
    samples = np.dstack([stored, *planes]).astype(f"u{bits // 8}") * (257 if bits == 16 else 1)
    photo = decode_photo(tiff(samples, photometric=photometric, extrasamples=kinds, planarconfig="contig"))
    plain = decode_photo(tiff(opaque.squeeze(), photometric=photometric))
    np.testing.assert_allclose(photo.pixels, plain.pixels, atol=0.02 if kinds == ["assocalpha"] else 1e-6)
    assert (photo.alpha is None) == (kinds == ["unspecified"])
    assert photo.alpha is None or np.allclose(photo.alpha, 0.4)
    left_out = [warning for warning in photo.warnings if "neither colour nor transparency" in warning]
    assert len(left_out) == ("unspecified" in kinds)
