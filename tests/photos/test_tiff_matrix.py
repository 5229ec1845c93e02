"""TIFF in every layout: colours x bits x compression x planes x byte order."""

import io
import itertools

import numpy as np
import pytest
import tifffile
from judges import judge
from photo_files import picture, tiff
from PIL import Image
from tiff_files import CODES, tiff_file

from pasd_batch.photos.photo_io import UnsupportedPhoto, decode_photo

WHITE, BLACK, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
LAYOUTS = list(itertools.product(CODES, (False, True), "<>"))
SEPARATE_ALPHA = {338: (3, [2])}


def numbers(bits: int, channels: int) -> np.ndarray:
    return np.random.default_rng(bits).integers(0, 2**bits, (13, 21, channels), dtype=np.uint32)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("photometric", "channels"), [(WHITE, 1), (BLACK, 1), (RGB, 3)])
def test_grey_and_rgb_of_any_depth(photometric, channels, bits):
    samples = numbers(bits, channels)
    right = samples / (2**bits - 1)
    right = 1 - right if photometric == WHITE else right
    for compression, in_planes, order in LAYOUTS:
        data = tiff_file(
            samples, bits=bits, photometric=photometric, compression=compression, in_planes=in_planes, order=order
        )
        photo = decode_photo(data)
        np.testing.assert_allclose(photo.pixels, np.broadcast_to(right, photo.pixels.shape), atol=1e-6)
        assert (photo.bit_depth, photo.warnings) == (16 if bits > 8 else 8, ())


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(("photometric", "colors"), [(BLACK, 1), (RGB, 3)])
def test_transparency_of_any_depth(photometric, colors, bits):
    samples = numbers(bits, colors + 1)
    samples[..., -1] |= 2 ** (bits - 1)  # so that no colour is hidden
    for compression, in_planes, order in LAYOUTS:
        options = {"compression": compression, "in_planes": in_planes, "order": order, "tags": SEPARATE_ALPHA}
        photo = decode_photo(tiff_file(samples, bits=bits, photometric=photometric, **options))
        right = samples / (2**bits - 1)
        np.testing.assert_allclose(photo.pixels[..., :colors], right[..., :colors], atol=1e-6)
        np.testing.assert_allclose(photo.alpha, right[..., -1], atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_palettes_of_any_depth(bits):
    samples = numbers(bits, 1)
    colors = np.random.default_rng(1).integers(0, 256, (3, 2**bits))
    for compression, _, order in LAYOUTS:
        tags = {320: (3, (colors * 257).ravel().tolist())}
        data = tiff_file(samples, bits=bits, photometric=PALETTE, compression=compression, order=order, tags=tags)
        np.testing.assert_allclose(decode_photo(data).pixels * 255, colors.T[samples[..., 0]], atol=1e-4)


def lab_numbers() -> np.ndarray:
    """Colours within sRGB, a and b with 128 added."""
    shallow = picture().astype(np.uint32)
    return np.dstack([shallow[..., 0] // 2 + 60, shallow[..., 1] // 12 + 118, shallow[..., 2] // 12 + 116])


def lab_file(photometric: int, bits: int, **options) -> bytes:
    lab = lab_numbers()
    if photometric == CIELAB:
        lab[..., 1:] = (lab[..., 1:] - 128) % 256
    if bits == 16:
        lab <<= 8
        lab[..., 0] += lab[..., 0] >> 8 if photometric == CIELAB else 0
    return tiff_file(lab, bits=bits, photometric=photometric, **options)


def test_cmyk_and_lab_are_what_imagemagick_shows(tmp_path):
    inks = np.asarray(Image.fromarray(picture()).convert("CMYK")).astype(np.uint32)
    files = {"cmyk": tiff_file(inks, bits=8, photometric=CMYK), "lab": lab_file(CIELAB, 8)}
    for name, data in files.items():
        (tmp_path / f"{name}.tif").write_bytes(data)
        judge("convert", str(tmp_path / f"{name}.tif"), "-colorspace", "sRGB", f"PNG24:{tmp_path / name}.png")
        shown = np.asarray(Image.open(tmp_path / f"{name}.png")).astype(float)
        # Lab of 8 bits leaves a few levels open: the white point's adaptation and roundings differ
        np.testing.assert_allclose(decode_photo(data).pixels * 255, shown, atol=3.5 if name == "lab" else 0.5)


@pytest.mark.parametrize(("compression", "in_planes", "order"), LAYOUTS)
@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_and_lab_are_the_same_in_every_layout(bits, compression, in_planes, order):
    options = {"bits": bits, "compression": compression, "in_planes": in_planes, "order": order}
    inks = np.asarray(Image.fromarray(picture()).convert("CMYK")).astype(np.uint32)
    cmyk = decode_photo(tiff_file(inks * (257 if bits == 16 else 1), photometric=CMYK, **options))
    np.testing.assert_array_equal(cmyk.pixels, decode_photo(tiff_file(inks, bits=8, photometric=CMYK)).pixels)
    right = decode_photo(lab_file(CIELAB, 8)).pixels
    for photometric in (CIELAB, ICCLAB):
        lab = decode_photo(lab_file(photometric, **options))
        np.testing.assert_array_equal(lab.pixels, right)
        assert len(lab.warnings) == (bits == 16)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_jpeg_in_tiff_of_either_byte_order(bigtiff, photometric, order):
    options = {"photometric": photometric, "compression": "jpeg", "compressionargs": {"level": 100}}
    samples = picture(channels=3 if photometric == "rgb" else 1)
    photo = decode_photo(tiff(samples.squeeze(), bigtiff=bigtiff, byteorder=order, **options))
    np.testing.assert_allclose(photo.pixels * 255, np.broadcast_to(samples, photo.pixels.shape), atol=12)


@pytest.mark.parametrize("tags", [{530: (3, [2, 2])}, {530: (3, [1, 1]), 284: (3, [2])}])
def test_ycbcr_that_no_library_reads_right_is_refused_by_name(tags):
    samples = picture().astype(np.uint32)
    data = tiff_file(samples, bits=8, photometric=YCBCR, in_planes=284 in tags, tags=tags)
    with pytest.raises(UnsupportedPhoto, match="YCbCr pixels that are not in JPEG; save it as RGB"):
        decode_photo(data)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_cmyk_of_few_bits_is_refused_by_name(bits):
    with pytest.raises(UnsupportedPhoto, match="CMYK TIFF of 4 channels of"):
        decode_photo(tiff_file(numbers(bits, 4), bits=bits, photometric=CMYK))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
def test_a_last_strip_with_rows_below_the_photo_is_read(compression):
    data = bytearray(tiff(picture(), photometric="rgb", compression=compression, rowsperstrip=16))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        place = file.pages[0].tags[257].valueoffset
    data[place : place + 2] = (20).to_bytes(2, "little")  # of 24
    np.testing.assert_allclose(decode_photo(bytes(data)).pixels * 255, picture()[:20], atol=1e-4)


def test_missing_strips_are_told():
    data = bytearray(tiff(picture(), photometric="rgb", compression="zlib", rowsperstrip=8))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        place = file.pages[0].tags[279].valueoffset
    data[place : place + 2] = bytes(2)
    assert decode_photo(bytes(data)).warnings == ("1 of 3 pieces of the TIFF file's photo are missing",)
