"""JPEG files of kinds that one library refuses or misjudges, and another reads."""

import imagecodecs
import numpy as np
import pytest
from icc_profiles import gamma_curve, grey_profile
from judges import judge
from photo_files import deep_picture, picture, saved, tiff
from PIL import Image

from pasd_batch.config.photos import DecodeLimits, OnDamage
from pasd_batch.photos.photo_io import PhotoTooLarge, TruncatedPhoto, UnsupportedPhoto, decode_photo

FAIL = DecodeLimits(on_damage=OnDamage.FAIL)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("factors", ["1x1", "2x1", "1x2", "2x2", "4x1", "3x1", "1x4", "3x2"])
def test_sound_files_are_not_called_damaged_however_coarse_their_colors(factors, mode, tmp_path):
    (tmp_path / "plain.png").write_bytes(saved(Image.fromarray(picture(48, 64)), "PNG"))
    space = {"RGB": "sRGB", "L": "Gray", "CMYK": "CMYK"}[mode]
    options = ["-colorspace", space, "-sampling-factor", factors, "-quality", "100"]
    judge("convert", str(tmp_path / "plain.png"), *options, str(tmp_path / "made.jpg"))
    judge("convert", str(tmp_path / "made.jpg"), "-colorspace", "sRGB", f"PNG24:{tmp_path / 'shown.png'}")
    photo = decode_photo((tmp_path / "made.jpg").read_bytes(), limits=FAIL)
    assert photo.warnings == ()
    shown = np.asarray(Image.open(tmp_path / "shown.png")).astype(float)
    np.testing.assert_allclose(photo.pixels * 255, shown, atol=1)


def test_a_cut_file_of_unusual_sampling_is_told(tmp_path):
    (tmp_path / "plain.png").write_bytes(saved(Image.fromarray(picture(96, 128)), "PNG"))
    judge("convert", str(tmp_path / "plain.png"), "-sampling-factor", "3x1", str(tmp_path / "made.jpg"))
    data = (tmp_path / "made.jpg").read_bytes()
    with pytest.raises(TruncatedPhoto):
        decode_photo(data[: len(data) * 2 // 3])


DEEP = deep_picture()
TWELVE_BITS = picture().astype(np.uint16) * 16
KINDS = {
    "12 bits": (imagecodecs.jpeg8_encode(TWELVE_BITS, level=100, bitspersample=12), TWELVE_BITS / 4095, 6),
    "12 bits, grey": (
        imagecodecs.jpeg8_encode(TWELVE_BITS[..., 0].copy(), level=100, bitspersample=12),
        TWELVE_BITS[..., :1] / 4095,
        6,
    ),
    "lossless, 8 bits": (imagecodecs.jpeg8_encode(picture(), lossless=True), picture() / 255, 1e-3),
    "lossless, 16 bits": (imagecodecs.jpeg8_encode(DEEP, lossless=True, bitspersample=16), DEEP / 65535, 1e-3),
    "JPEG-LS, 8 bits": (imagecodecs.jpegls_encode(picture()), picture() / 255, 1e-3),
    "JPEG-LS, 16 bits": (imagecodecs.jpegls_encode(DEEP), DEEP / 65535, 1e-3),
    "JPEG-LS, grey": (imagecodecs.jpegls_encode(picture()[..., 0].copy()), picture()[..., :1] / 255, 1e-3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_deep_and_lossless_jpegs_are_read_at_their_depth(kind):
    data, right, tolerance = KINDS[kind]
    photo = decode_photo(data)
    np.testing.assert_allclose(photo.pixels * 255, np.broadcast_to(right, photo.pixels.shape) * 255, atol=tolerance)
    assert photo.bit_depth == (8 if "8 bits" in kind or kind == "JPEG-LS, grey" else 16)
    assert photo.warnings == ()
    with pytest.raises(PhotoTooLarge):
        decode_photo(data, limits=DecodeLimits(max_pixels=100))
    with pytest.raises(TruncatedPhoto):
        decode_photo(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("kind", ["12 bits", "JPEG-LS, 8 bits"])
def test_metadata_of_deep_jpegs_are_kept(kind):
    exif = Image.Exif()
    exif[270], exif[274] = "a farm", 6
    record = exif.tobytes()
    data, right, _ = KINDS[kind]
    segment = b"\xff\xe1" + (len(record) + 2).to_bytes(2, "big") + record
    photo = decode_photo(data[:2] + segment + data[2:])
    assert b"a farm" in (photo.metadata.exif or b"")
    np.testing.assert_allclose(photo.pixels, np.rot90(right, -1), atol=0.02)


def test_deep_cmyk_is_refused_by_name():
    inks = np.asarray(Image.fromarray(picture()).convert("CMYK")).astype(np.uint16) * 16
    data = imagecodecs.jpeg8_encode(inks, level=100, bitspersample=12, colorspace="CMYK", outcolorspace="CMYK")
    with pytest.raises(UnsupportedPhoto, match="4 components of 12 bits; save it as"):
        decode_photo(data)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_grey_profile_is_ignored_on_a_photo_in_colour(name):
    icc = grey_profile(gamma_curve(1.8))
    options = {"lossless": True} if name == "WEBP" else {}
    photo = decode_photo(saved(Image.fromarray(picture()), name, icc_profile=icc, **options))
    plain = decode_photo(saved(Image.fromarray(picture()), name, **options))
    np.testing.assert_array_equal(photo.pixels, plain.pixels)
    assert photo.warnings == ("the photo's ICC profile is ignored: a profile for GRAY on a photo in colour",)
    neutral = Image.fromarray(picture()[..., :1].repeat(3, axis=2))
    assert decode_photo(saved(neutral, name, icc_profile=icc, **options)).warnings == ()


def test_unusual_sampling_within_tiff_is_not_called_damaged():
    args = {"level": 95, "subsampling": (4, 2)}
    data = tiff(picture(96, 128), photometric="ycbcr", compression="jpeg", compressionargs=args)
    assert decode_photo(data, limits=FAIL).warnings == ()
