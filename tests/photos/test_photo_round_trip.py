"""Every file that the product writes is read again by it: the same pixels, the same metadata, nothing to warn of."""

from fractions import Fraction

import numpy as np
import pytest
from icc_profiles import DISPLAY_P3, gamma_curve, grey_profile, matrix_profile, srgb_curve
from photo_files import picture
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import Photo, PhotoMetadata, RestorationMarker, decode_photo, encode_photo
from pasd_batch.photos.resolution import Resolution
from pasd_batch.photos.texts import Text

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
EXIF = Image.Exif()
EXIF[270] = "A farm, 1910"
EXIF.get_ifd(0x8769)[36867] = "1910:05:01 10:00:00"
PROFILES = {
    "none": None,
    "P3": matrix_profile(DISPLAY_P3, srgb_curve()),
    "grey": grey_profile(gamma_curve(1.8)),
}
METADATA = PhotoMetadata(
    "PNG",
    exif=EXIF.tobytes(),
    iptc=b"\x1c\x02\x78\x00\x05Hello",
    resolution=Resolution(Fraction(300), Fraction(300)),
    texts=(Text("Comment", "On the back: 1910"), Text("Title", "Ein Bauernhof, 東京")),
)


def unexpected(message: str) -> None:
    raise AssertionError(message)


@pytest.mark.parametrize("name", list(ImageFormat))
@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("grayscale", [False, True])
@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_written_is_read(name, bit_depth, has_alpha, grayscale, profile):
    grayscale = grayscale or profile == "grey"
    icc = None if profile == "grey" and name is ImageFormat.WEBP else PROFILES[profile]  # WebP has no grey
    pixels = picture(channels=1 if grayscale else 3).astype(np.float32) / 255
    pixels = np.repeat(pixels, 3, axis=2) if grayscale else pixels
    alpha = np.linspace(0, 1, pixels.shape[0] * pixels.shape[1], dtype=np.float32).reshape(pixels.shape[:2])
    metadata = PhotoMetadata(**{**vars(METADATA), "icc": icc})
    photo = Photo(pixels, alpha if has_alpha else None, bit_depth, grayscale, metadata)
    settings = OutputSettings(format=name, lossless=True, quality=100, subsampling="4:4:4")

    first = decode_photo(encode_photo(photo, settings=settings, marker=MARKER, warn=unexpected))
    data = encode_photo(first, settings=settings, marker=MARKER, warn=unexpected)
    again = decode_photo(data)

    for read in (first, again):
        assert read.warnings == ()
        assert (read.height, read.width, read.grayscale) == (photo.height, photo.width, grayscale)
        assert read.bit_depth == (bit_depth if name in (ImageFormat.PNG, ImageFormat.TIFF) else 8)
        assert (read.alpha is not None) == (has_alpha and name is not ImageFormat.JPEG)
        assert read.metadata.icc == icc
        assert read.metadata.iptc == METADATA.iptc
        assert read.metadata.resolution == METADATA.resolution
        said = {text.text for text in read.metadata.texts} | {(read.metadata.xmp or b"").decode()}
        assert all(any(text.text in place for place in said) for text in METADATA.texts)
    assert again.metadata.exif == first.metadata.exif
    if name is ImageFormat.JPEG:
        return
    seen = alpha > 0.5 if has_alpha else alpha >= 0  # what transparency hides is not kept
    if profile != "P3":  # colours outside sRGB are tested where they are handled
        np.testing.assert_array_equal(again.pixels[seen], first.pixels[seen])
    if profile == "none":
        np.testing.assert_allclose(
            first.pixels[seen], pixels[seen], atol=0.51 / (65535 if first.bit_depth == 16 else 255)
        )
    if has_alpha:
        np.testing.assert_array_equal(again.alpha, first.alpha)
