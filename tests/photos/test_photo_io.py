"""The whole way of a photo: file, model's tensors, file."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import (
    RestorationMarker,
    decode_photo,
    encode_photo,
    scale_alpha,
    to_tensor,
    with_restored_image,
    with_restored_pixels,
)

MARKER = RestorationMarker("pasd-batch 9.9", "pasd-tiny", "c0ffee")


def _file(samples: np.ndarray, name: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, name, **options)
    return file.getvalue()


def _enlarged(image: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(image[None], scale_factor=2, mode="nearest")[0]


@pytest.mark.parametrize("name", list(ImageFormat))
def test_a_photo_goes_through_the_model_and_back(name):
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    samples = np.zeros((16, 32, 3), np.uint8)
    samples[:, 16:] = (200, 40, 10)
    photo = decode_photo(_file(samples, "JPEG", exif=exif, quality=100, subsampling=0))

    image = to_tensor(photo)
    assert (image.shape, image.dtype) == ((3, 32, 16), torch.float32)
    data = encode_photo(
        with_restored_image(photo, _enlarged(image)), settings=OutputSettings(format=name), marker=MARKER
    )
    result = Image.open(io.BytesIO(data))
    assert result.size == (32, 64)
    assert result.getexif()[271] == "Maker"
    assert np.abs(np.asarray(result.convert("RGB"))[60, 16].astype(int) - (200, 40, 10)).max() < 12
    assert np.asarray(result.convert("RGB"))[2, 16].max() < 12


def test_transparency_is_scaled_to_the_result():
    samples = np.full((8, 8, 4), 255, np.uint8)
    samples[:, :4, 3] = 0
    photo = decode_photo(_file(samples, "PNG"))
    restored = with_restored_image(photo, _enlarged(to_tensor(photo)))
    assert restored.alpha is not None
    assert restored.alpha.shape == (16, 16)
    assert restored.alpha[:, :6].max() < 0.1
    assert restored.alpha[:, 10:].min() > 0.9
    np.testing.assert_array_equal(scale_alpha(restored.alpha, height=16, width=16), restored.alpha)


def test_a_grey_photo_stays_grey_whatever_the_model_says():
    photo = decode_photo(_file(np.full((8, 8), 100, np.uint8), "PNG"))
    tinted = to_tensor(photo) + torch.tensor([0.1, 0.0, -0.1])[:, None, None]
    restored = with_restored_image(photo, tinted)
    assert np.ptp(restored.pixels, axis=2).max() == 0.0
    data = encode_photo(restored, settings=OutputSettings(), marker=MARKER)
    assert Image.open(io.BytesIO(data)).mode == "L"


def test_values_out_of_range_are_clipped():
    photo = decode_photo(_file(np.zeros((4, 4, 3), np.uint8), "PNG"))
    restored = with_restored_pixels(photo, np.full((4, 4, 3), 1.5))
    assert restored.pixels.max() == 1.0


def test_it_is_imported_without_torch_and_decoders():
    script = (
        "import sys, pasd_batch.photos.photo_io\n"
        "print([name for name in ('torch', 'tifffile', 'pillow_heif') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
