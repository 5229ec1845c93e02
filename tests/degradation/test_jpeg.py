"""JPEG without a codec, against Pillow's and at its limits."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pasd_batch.degradation.jpeg import compress_jpeg


def error(first: Tensor, second: Tensor) -> float:
    return float((first - second).square().mean().sqrt())


def pillow_jpeg(photo: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    pixels = (photo * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    decoded = np.asarray(Image.open(io.BytesIO(buffer.getvalue()))).copy()
    return torch.from_numpy(decoded).permute(2, 0, 1).float() / 255.0


@pytest.mark.parametrize("quality", [10, 30, 60, 90])
def test_artefacts_are_like_a_real_codecs(photo: Tensor, quality: int) -> None:
    """Not equal: the published tables are transposed and unrounded, and chroma is enlarged without smoothing."""
    ours = compress_jpeg(photo[None], torch.tensor([float(quality)]))[0]
    real = pillow_jpeg(photo, quality)
    assert error(ours, real) < 0.75 * error(real, photo)
    assert error(ours, photo) == pytest.approx(error(real, photo), rel=0.25)


def test_quality_orders_the_error_and_100_is_nearly_lossless_in_gray(photo: Tensor) -> None:
    gray = photo.mean(dim=0, keepdim=True).expand(1, 3, -1, -1).contiguous()
    errors = [error(compress_jpeg(gray, torch.tensor([quality])), gray) for quality in (5.0, 25.0, 60.0, 95.0)]
    assert errors == sorted(errors, reverse=True)
    assert error(compress_jpeg(gray, torch.tensor([100.0])), gray) < 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (17, 31), (40, 54)])
def test_any_size_comes_back_at_its_size_and_in_range(shape: tuple[int, int]) -> None:
    picture = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2
    result = compress_jpeg(picture, torch.tensor([30.0, 80.5]))
    assert result.shape == picture.shape
    assert float(result.min()) >= 0.0
    assert float(result.max()) <= 1.0


def test_each_picture_has_its_own_quality(photos: Tensor) -> None:
    qualities = torch.tensor([20.0, 55.5, 97.0])
    together = compress_jpeg(photos, qualities)
    for index in range(3):
        alone = compress_jpeg(photos[index : index + 1], qualities[index : index + 1])
        assert torch.allclose(together[index], alone[0], atol=1e-5)
