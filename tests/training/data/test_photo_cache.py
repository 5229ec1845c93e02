import pytest
import torch

from pasd_batch.training.data.photo_cache import DecodedPhoto, PhotoCache

BYTES = 3 * 4 * 4 * 4


@pytest.fixture
def decoded():
    """Rows in the order they were decoded in."""
    return []


def keeper(decoded, photos):
    def decode(row):
        decoded.append(row)
        return DecodedPhoto(str(row), torch.full((3, 4, 4), float(row)), "")

    return PhotoCache(decode, photos * BYTES)


def test_a_photo_that_is_kept_is_not_decoded_again(decoded):
    photos = keeper(decoded, 2)
    assert [photos.photo(row).name for row in (0, 1, 0, 1, 0)] == ["0", "1", "0", "1", "0"]
    assert decoded == [0, 1]


def test_the_photo_looked_at_longest_ago_makes_room(decoded):
    photos = keeper(decoded, 2)
    for row in (0, 1, 0, 2, 0, 1):
        assert float(photos.photo(row).pixels[0, 0, 0]) == row
    assert decoded == [0, 1, 2, 1]


def test_without_room_every_photo_is_decoded_every_time(decoded):
    photos = keeper(decoded, 0)
    assert [photos.photo(row).name for row in (3, 3)] == ["3", "3"]
    assert decoded == [3, 3]
