"""Photos are scaled and padded, never stretched, and come back at the right size."""

import pytest
import torch
from torch.nn.functional import interpolate

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.padding import LONG_SIDE_LIMIT, choose_sizes, crop_padding, resize, resize_and_pad

SIZES = [Size(1, 1), Size(7, 500), Size(333, 517), Size(2000, 300), Size(768, 768)]


def framed(size, scale=2.0, min_short_side=64):
    return choose_sizes(size, scale=scale, min_short_side=min_short_side, multiple=64)


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.37, 2.0, 4.0])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes(size, scale):
    sizes = framed(size, scale)
    assert sizes.target == Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))
    assert sizes.working >= sizes.target
    assert (sizes.padded.height % 64, sizes.padded.width % 64) == (0, 0)
    assert 0 <= sizes.padded.height - sizes.working.height < 64
    assert 0 <= sizes.padded.width - sizes.working.width < 64


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_never_stretched(size):
    """Both sides are enlarged by one factor, up to rounding to whole pixels."""
    sizes = framed(size, min_short_side=768)
    factor = sizes.working.long_side / sizes.target.long_side
    assert (
        abs(sizes.working.height - sizes.target.height * factor) <= 0.5 + sizes.target.height / sizes.target.long_side
    )
    assert abs(sizes.working.width - sizes.target.width * factor) <= 0.5 + sizes.target.width / sizes.target.long_side


@pytest.mark.parametrize(
    ("size", "working"),
    [
        (Size(100, 150), Size(768, 1152)),
        (Size(500, 400), Size(1000, 800)),
        (Size(7, 500), Size(22, LONG_SIDE_LIMIT * 768)),
        (Size(10, 1000), Size(20, 2000)),
    ],
)
def test_small_photos_are_enlarged_as_far_as_their_long_side_allows(size, working):
    assert framed(size, scale=2.0, min_short_side=768).working == working


@pytest.mark.parametrize("size", [Size(1, 1), Size(7, 50), Size(33, 51), Size(200, 30), Size(64, 64)], ids=str)
def test_padding_is_a_reflection_that_leaving_removes(size):
    photo = torch.rand(1, 3, size.height, size.width)
    sizes = framed(size, scale=1.0, min_short_side=8)
    entered = resize_and_pad(photo, sizes)
    working = resize(photo, sizes.working)
    assert Size.of(entered) == sizes.padded
    assert torch.equal(crop_padding(entered, sizes), working)
    for dim, length in ((2, sizes.working.height), (3, sizes.working.width)):
        beyond = entered.shape[dim] - length
        for step in range(min(beyond, length - 1)):
            padded, original = entered.select(dim, length + step), entered.select(dim, length - 2 - step)
            assert torch.equal(padded, original)


def test_a_picture_of_one_pixel_is_padded_with_itself():
    photo = torch.tensor([0.2, 0.5, 0.8]).reshape(1, 3, 1, 1)
    sizes = framed(Size(1, 1), scale=1.0, min_short_side=8)
    torch.testing.assert_close(resize_and_pad(photo, sizes), photo.expand(1, 3, 64, 64))


def test_reflection_goes_on_where_the_padding_is_longer_than_the_picture():
    photo = torch.arange(3.0).reshape(1, 1, 1, 3).expand(1, 3, 1, 3) / 2
    sizes = framed(Size(1, 3), scale=1.0, min_short_side=1)
    expected = torch.tensor([0, 1, 2, 1] * 16) / 2
    assert torch.equal(resize_and_pad(photo, sizes)[0, 0, 0], expected)


def test_resize_is_antialiased_bicubic_and_stays_in_range():
    photo = (torch.rand(1, 3, 40, 60) > 0.5).float()
    resized = resize(photo, Size(20, 30))
    expected = interpolate(photo, (20, 30), mode="bicubic", antialias=True, align_corners=False)
    assert float(expected.min()) < 0
    torch.testing.assert_close(resized, expected.clamp(0, 1))
    assert resize(photo, Size(40, 60)) is photo
