import numpy as np
import pytest
from degraded import blurred, compressed, enlarged, noisy, photographs
from PIL import Image
from scipy import fftpack
from skimage import data

from pasd_batch.photos.estimates.hashes import perceptual_hash, pixel_hash

PHOTO = photographs()["coffee"]


def imagehash(pixels: np.ndarray) -> str:
    """`str(imagehash.phash(image))` of ImageHash 4.3."""
    image = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    lowest = fftpack.dct(fftpack.dct(np.asarray(image), axis=0), axis=1)[:8, :8]
    bits = "".join("1" if bit else "0" for bit in (lowest > np.median(lowest)).flatten())
    return f"{int(bits, 2):016x}"


def differing_bits(first: str, second: str) -> int:
    """Hamming distance of two hashes in hexadecimal."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea", "rocket"])
def test_perceptual_hash_is_that_of_imagehash(name):
    pixels = getattr(data, name)()
    assert perceptual_hash(pixels) == imagehash(pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (9, 3)])
def test_every_size_has_a_perceptual_hash(size):
    assert len(perceptual_hash(np.zeros((*size, 3), np.uint8))) == 16


def test_versions_of_a_photo_differ_in_few_bits_and_others_in_many():
    own = perceptual_hash(PHOTO)
    for version in (compressed(PHOTO, 40), enlarged(PHOTO, 2), blurred(PHOTO, 2), noisy(PHOTO, 10)):
        assert differing_bits(own, perceptual_hash(version)) <= 6
    assert differing_bits(own, perceptual_hash(data.astronaut())) > 16


def test_pixel_hash_is_the_same_in_all_types():
    others = (PHOTO.astype(np.uint16) * 257, (PHOTO / 255.0).astype(np.float32), PHOTO / 255.0)
    assert {pixel_hash(other) for other in others} == {pixel_hash(PHOTO)}
    assert pixel_hash(PHOTO, np.ones(PHOTO.shape[:2], np.float32)) == pixel_hash(PHOTO)


def test_pixel_hash_tells_any_difference():
    level, deep = PHOTO.copy(), PHOTO.astype(np.uint16) * 257
    level[-1, -1, 2] ^= 1
    deep[-1, -1, 2] ^= 1
    alpha = np.ones(PHOTO.shape[:2], np.float32)
    alpha[0, 0] = 0.5
    turned = PHOTO.reshape(PHOTO.shape[1], PHOTO.shape[0], 3)
    hashes = [pixel_hash(other) for other in (PHOTO, level, deep, turned)] + [pixel_hash(PHOTO, alpha)]
    assert len(set(hashes)) == len(hashes)
