"""Where the colours of a photo were taken from, and how it was turned, as audits tell it."""

import struct

import pytest
from icc_profiles import ADOBE_RGB, cmyk_profile, gamma_curve, grey_profile, matrix_profile
from photo_files import avif, picture, png16, saved
from PIL import ExifTags, Image, ImageCms

from pasd_batch.photos.color_profile import profile_name
from pasd_batch.photos.photo import ColorSource
from pasd_batch.photos.photo_io import decode_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PROFILE = matrix_profile(ADOBE_RGB, gamma_curve(2.2))


def image() -> Image.Image:
    return Image.fromarray(picture())


def colors(data: bytes) -> ColorSource:
    return decode_photo(data).metadata.colors


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_is_used_ignored_or_missing_in_every_format(name):
    assert colors(saved(image(), name, icc_profile=PROFILE)) is ColorSource.PROFILE
    for unusable in (grey_profile(gamma_curve(2.2)), cmyk_profile(), PROFILE[:200]):
        photo = decode_photo(saved(image(), name, icc_profile=unusable))
        assert photo.metadata.colors is ColorSource.IGNORED
        assert any("profile is ignored" in warning for warning in photo.warnings)
    assert colors(saved(image(), name)) is ColorSource.NONE


@pytest.mark.parametrize(
    "chunk", [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455)), (b"cICP", bytes([9, 16, 0, 1]))]
)
def test_a_png_states_its_colours_in_chunks(chunk):
    assert colors(png16(picture().astype("uint16") * 257, chunk)) is ColorSource.STATED


def test_an_avif_states_its_colours_in_codes():
    assert colors(avif(picture(), primaries=1, transfer=13, matrix=6)) is ColorSource.STATED


@pytest.mark.parametrize("number", [1, 2])
def test_a_cameras_exif_states_srgb_or_adobe_rgb(number):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = number
    assert colors(saved(image(), "JPEG", exif=exif.tobytes())) is ColorSource.STATED


def test_inks_are_converted():
    assert colors(saved(image().convert("CMYK"), "JPEG")) is ColorSource.CONVERTED


def test_the_name_of_a_profile_is_its_description():
    assert profile_name(SRGB) == "sRGB built-in"
    assert profile_name(b"junk") is None


@pytest.mark.parametrize("orientation", range(9))
def test_the_orientation_is_exifs_and_others_are_upright(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    metadata = decode_photo(saved(image(), "JPEG", exif=exif.tobytes())).metadata
    assert metadata.orientation == max(1, orientation)
    assert metadata.is_turned == (orientation > 1)
