"""All measures of a photo, each as its own function gives it."""

from datetime import datetime

import numpy as np
from degraded import photographs
from photo_files import saved
from PIL import ExifTags, Image, ImageCms

from pasd_batch.photos.estimates.color_cast import measure_color_cast
from pasd_batch.photos.estimates.exposure import measure_exposure
from pasd_batch.photos.estimates.hashes import perceptual_hash, pixel_hash
from pasd_batch.photos.estimates.information import entropy
from pasd_batch.photos.estimates.measures import measure_photo
from pasd_batch.photos.photo_io import decode_photo
from pasd_batch.records import AUDIT_TYPE

COFFEE = photographs()["coffee"][:200, :300]


def exif() -> bytes:
    record = Image.Exif()
    record.update({ExifTags.Base.Make: "Canon", ExifTags.Base.Model: "Canon EOS 5D", ExifTags.Base.Orientation: 6})
    record.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "1999:12:31 23:59:58"
    return record.tobytes()


def measured(pixels: np.ndarray, **options):
    return measure_photo(decode_photo(saved(Image.fromarray(pixels), "PNG", **options)))


def test_measures_are_those_of_their_functions_on_the_upright_photo():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = measured(COFFEE, exif=exif(), icc_profile=profile)
    upright = np.rot90(COFFEE, -1)
    exposure, cast = measure_exposure(upright), measure_color_cast(upright)
    assert abs(found.brightness_05 - exposure.quantile_05) < 1e-3
    assert abs(found.brightness_99 - exposure.quantile_99) < 1e-3
    assert (found.chroma, found.cast, found.cast_a) == (cast.chroma_99, cast.chroma_02, cast.a)
    assert found.entropy == entropy(upright)
    assert (found.pixel_hash, found.perceptual_hash) == (pixel_hash(upright), perceptual_hash(upright))
    assert (found.camera, found.taken_at) == ("Canon EOS 5D", datetime(1999, 12, 31, 23, 59, 58))
    assert (found.orientation, found.colors, found.profile) == (6, "profile", "sRGB built-in")
    assert (found.grayscale, found.bit_depth, found.transparent) == (False, 8, False)


def test_frames_grey_and_transparency_are_told():
    framed = np.full((200, 300, 4), 255, np.uint8)
    framed[20:170, 30:260, :3] = COFFEE[20:170, 30:260].mean(axis=2, keepdims=True).astype(np.uint8)
    framed[100, 100, 3] = 0
    found = measured(framed)
    assert (found.border_left, found.border_top, found.border_right, found.border_bottom) == (30, 20, 40, 30)
    assert found.grayscale
    assert found.transparent
    assert found.chroma < 1.0
    assert (found.colors, found.profile, found.camera, found.taken_at) == ("none", None, None, None)


def test_every_measure_is_a_field_of_the_column():
    assert list(vars(measured(COFFEE))) == [field.name for field in AUDIT_TYPE]
