"""Masks: levels, sizes, and pictures that are none."""

from dataclasses import replace

import numpy as np
import pytest
from photo_files import saved
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.mask import UnusableMask, read_mask
from pasd_batch.photos.photo_io import decode_photo


def photo_of(image, kind="PNG", **options):
    return decode_photo(saved(image, kind, **options), limits=DecodeLimits())


PHOTO = photo_of(Image.new("RGB", (60, 40), (90, 120, 60)))


def halves(width, height, mode="L"):
    """Black on the left, white on the right, grey in a row at the bottom."""
    levels = np.zeros((height, width), np.uint8)
    levels[:, width // 2 :] = 255
    levels[-height // 4 :] = 128
    return Image.fromarray(levels).convert(mode)


@pytest.mark.parametrize("size", [(60, 40), (120, 80), (33, 22), (300, 199)], ids=str)
def test_a_mask_of_any_size_is_scaled_to_its_photo_and_black_stays_black(size):
    share = read_mask(photo_of(halves(*size)), PHOTO)
    assert (share.shape, share.dtype) == ((40, 60), np.float32)
    assert share[:28, :29].max() == 0.0
    assert share[:27, 34:].min() == 1.0
    assert share[-1, 3] == pytest.approx(128 / 255, abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("PNG", "1", {}), ("PNG", "RGB", {}), ("PNG", "LA", {}), ("JPEG", "L", {"quality": 95}), ("TIFF", "I;16", {})],
)
def test_masks_in_other_formats_have_the_same_black_and_white(kind, mode, options):
    image = halves(60, 40, "L")
    levels = np.asarray(image)
    image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    share = read_mask(photo_of(image, kind, **options), PHOTO)
    assert share[:24, :24].max() == 0.0
    assert share[:24, 40:].min() == 1.0


def test_a_mask_is_of_the_photo_as_it_is_seen():
    """Each is turned as its own EXIF says."""
    turned = Image.Exif()
    turned[0x0112] = 6
    photo = photo_of(Image.new("RGB", (60, 40)), "JPEG", exif=turned)
    upright = read_mask(photo_of(halves(40, 60)), photo)
    lying = halves(40, 60).transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(read_mask(photo_of(lying, exif=turned), photo), upright)
    with pytest.raises(UnusableMask, match="the photo is turned as its EXIF orientation says, and the mask is not"):
        read_mask(photo_of(halves(60, 40)), photo)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (Image.new("LA", (60, 40), (255, 100)), "the mask has transparency"),
        (Image.new("RGB", (60, 40), (255, 0, 0)), "the mask has colours"),
        (halves(60, 60), "the mask is 60x60, which are not the proportions of the photo's 60x40"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_picture_that_is_no_mask_of_the_photo_is_refused(mask, told):
    with pytest.raises(UnusableMask, match=told):
        read_mask(photo_of(mask), PHOTO)


def test_photos_of_one_pixel_have_masks():
    assert read_mask(photo_of(Image.new("L", (1, 1), 255)), photo_of(Image.new("RGB", (1, 1)))).tolist() == [[1.0]]
    thin = replace(PHOTO, pixels=PHOTO.pixels[:1])
    assert read_mask(photo_of(Image.new("L", (60, 1), 0)), thin).max() == 0.0
