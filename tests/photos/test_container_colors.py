"""What containers say of colours, and what other programs then see in source and result."""

import struct

import numpy as np
import pytest
from icc_profiles import ADOBE_RGB, cmyk_profile, gamma_curve, matrix_profile
from judges import judge
from photo_files import picture, saved, tiff
from PIL import Image, ImageCms
from tiff_files import tiff_file

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo
from pasd_batch.photos.tiff_directory import CAMERA, INTEROPERABILITY, read_directories

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
ICC = matrix_profile(ADOBE_RGB, gamma_curve(2.2))
INKS = Image.fromarray(picture()).convert("CMYK")


def gif(icc: bytes) -> bytes:
    plain = saved(Image.fromarray(picture()).quantize(64), "GIF")
    start = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    blocks = b"".join(bytes([len(icc[at : at + 255])]) + icc[at : at + 255] for at in range(0, len(icc), 255))
    return plain[:start] + b"\x21\xff\x0bICCRGBG1012" + blocks + b"\0" + plain[start:]


def bmp(icc: bytes) -> bytes:
    height, width = picture().shape[:2]
    pixels = np.ascontiguousarray(picture()[::-1, :, ::-1]).tobytes()
    header = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + bytes(16)
    header += b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(pixels), len(icc), 0)
    body = header + pixels + icc
    return struct.pack("<2sIHHI", b"BM", 14 + len(body), 0, 0, 14 + len(header)) + body


SOURCES = {
    "photo.gif": gif(ICC),
    "photo.bmp": bmp(ICC),
    "photo.png": saved(Image.fromarray(picture()), "PNG", icc_profile=ICC),
    "photo.jpg": saved(Image.fromarray(picture()), "JPEG", quality=100, subsampling=0, icc_profile=ICC),
    "photo.tif": tiff(picture(), photometric="rgb", iccprofile=ICC),
    "inks.jpg": saved(INKS, "JPEG", quality=100, subsampling=0, icc_profile=cmyk_profile()),
    "inks.tif": saved(INKS, "TIFF", icc_profile=cmyk_profile()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("colors")
    (made / "srgb.icc").write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    return made


def seen(folder, name: str) -> np.ndarray:
    """What ImageMagick shows of GIF and BMP, of which libvips reads no profile, and libvips of the others."""
    profile, shown = str(folder / "srgb.icc"), folder / f"{name}.seen.png"
    if name.endswith(("gif", "bmp")):
        judge("convert", str(folder / name), "-profile", profile, "-depth", "8", "-strip", f"PNG24:{shown}")
    else:
        options = ["--embedded", "--intent", "perceptual", "--depth", "8"]
        judge("vips", "icc_transform", str(folder / name), f"{shown}[strip]", profile, *options)
    return np.asarray(Image.open(shown).convert("RGB")).astype(float)


@pytest.mark.parametrize("name", SOURCES)
def test_another_program_sees_what_the_model_sees_and_the_same_in_every_result(name, folder):
    (folder / name).write_bytes(SOURCES[name])
    photo = decode_photo(SOURCES[name])
    shown = seen(folder, name)
    np.testing.assert_allclose(photo.pixels * 255, shown, atol=2)
    assert (photo.metadata.icc == ICC) == name.startswith("photo")
    for output in ImageFormat:
        settings = OutputSettings(format=output, lossless=True, quality=100, subsampling="4:4:4")
        result = f"{name}.{output.value}"
        (folder / result).write_bytes(encode_photo(photo, settings=settings, marker=MARKER))
        if photo.metadata.icc is not None:  # without a profile, the result's numbers are sRGB's
            again = seen(folder, result)
            assert np.abs(again - shown).max() <= (20 if output is ImageFormat.JPEG else 2)  # steep near black
            assert np.abs(again - shown).mean() <= 0.8


def exif(color_space: int | None, index: str | None) -> Image.Exif:
    record = Image.Exif()
    record[271] = "Maker"
    if color_space is not None:
        record.get_ifd(CAMERA)[40961] = color_space
    if index is not None:
        record.get_ifd(CAMERA)[INTEROPERABILITY] = {1: index}
    return record


@pytest.mark.parametrize(
    ("color_space", "index", "is_adobe"),
    [
        (0xFFFF, "R03", True),
        (None, "R03", True),
        (2, None, True),
        (1, "R03", False),
        (0xFFFF, "R98", False),
        (0xFFFF, None, False),
        (1, "R98", False),
        (None, None, False),
    ],
)
def test_adobe_rgb_of_cameras_is_taken_from_exif(color_space, index, is_adobe):
    options = {"quality": 100, "subsampling": 0, "exif": exif(color_space, index)}
    photo = decode_photo(saved(Image.fromarray(picture()), "JPEG", **options))
    right = decode_photo(saved(Image.fromarray(picture()), "JPEG", quality=100, subsampling=0, icc_profile=ICC))
    plain = decode_photo(saved(Image.fromarray(picture()), "JPEG", quality=100, subsampling=0))
    np.testing.assert_allclose(photo.pixels, right.pixels if is_adobe else plain.pixels, atol=4e-3)
    assert len(photo.warnings) == is_adobe
    with_profile = decode_photo(saved(Image.fromarray(picture()), "JPEG", icc_profile=ICC, **options))
    assert (with_profile.warnings, with_profile.metadata.icc) == ((), ICC)


@pytest.mark.parametrize("output", list(ImageFormat))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_result_says_of_its_colors_what_is_true(mode, output):
    source = Image.fromarray(picture()).convert(mode)
    photo = decode_photo(saved(source, "JPEG", quality=100, exif=exif(0xFFFF, "R03")))
    settings = OutputSettings(format=output, lossless=True, quality=100, subsampling="4:4:4")
    again = decode_photo(encode_photo(photo, settings=settings, marker=MARKER))
    np.testing.assert_allclose(again.pixels, photo.pixels, atol=0.05)
    assert again.warnings == ()
    record = read_directories(again.metadata.exif or b"", lambda _: None)
    stated = (record.numbers(40961, directory=CAMERA), record.others[INTEROPERABILITY][1].data)
    assert stated == (((0xFFFF,), b"R03\0") if mode == "RGB" else ((1,), b"R98\0"))


def lab_file(hue: int) -> bytes:
    lab = np.zeros((8, 8, 3), np.uint32)
    lab[...] = (140, 0, 0)
    lab[:2, :, 1] = hue
    return tiff_file(lab, bits=8, photometric=8)


def test_colors_of_lab_and_cmyk_that_srgb_lacks_are_told():
    lost = "colours that sRGB does not hold were cut off at its edge, in about 25.0% of the photo"
    assert decode_photo(lab_file(110)).warnings == (lost,)
    assert decode_photo(lab_file(20)).warnings == ()
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:2] = (255, 0, 255, 0)  # green, by the profile far beyond sRGB's
    cyan = saved(Image.fromarray(inks, "CMYK"), "TIFF", icc_profile=cmyk_profile())
    assert decode_photo(cyan).warnings == (lost,)
    assert decode_photo(saved(Image.fromarray(inks, "CMYK"), "TIFF")).warnings == ()


@pytest.mark.parametrize("far", [False, True])
def test_a_makers_block_that_is_moved_is_told(far):
    note = b"Maker\0" + bytes(range(200))
    record = Image.Exif()
    record[270] = "a farm" * (8000 if far else 1)
    record.get_ifd(CAMERA)[37500] = note
    photo = decode_photo(saved(Image.fromarray(picture()), "PNG", exif=record))
    assert ("the camera maker's block is moved" in " ".join(photo.warnings)) == far
    assert note in (photo.metadata.exif or b"")
