"""Blurring and resizing of batches of pictures."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pasd_batch.config.degradation import ResizeMode
from pasd_batch.degradation.blur_kernels import BivariateKernel, IdentityKernel, kernel_weights
from pasd_batch.degradation.filtering import blur, gaussian_blur, reflect_pad, resize_by, resize_to, round_to_8_bit


def stacked(*kernels: BivariateKernel | IdentityKernel) -> Tensor:
    return kernel_weights(kernels, size=21).float()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (8, 8), (30, 7)])
def test_reflection_equals_numpys_for_any_size(shape: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    expected = np.pad(picture.numpy(), [(0, 0), (0, 0), (10, 10), (10, 10)], mode="reflect")
    assert torch.equal(reflect_pad(picture, 10), torch.from_numpy(expected))


def test_identity_changes_nothing_and_each_picture_gets_its_own_kernel(photos: Tensor) -> None:
    kernels = stacked(IdentityKernel(), BivariateKernel(21, 3.0, 3.0), BivariateKernel(7, 0.5, 2.0))
    blurred = blur(photos, kernels)
    assert torch.allclose(blurred[0], photos[0], atol=1e-6)
    assert torch.equal(blur(photos, kernel_weights([IdentityKernel()] * 3)), photos)
    for index in range(3):
        alone = blur(photos[index : index + 1], kernels[index : index + 1])
        assert torch.allclose(blurred[index], alone[0], atol=1e-6)


def test_blur_keeps_flat_pictures_and_the_mean_of_periodic_ones() -> None:
    flat = torch.full((1, 3, 9, 11), 0.37)
    assert torch.allclose(gaussian_blur(flat, [2.0]), flat, atol=1e-6)


def test_more_softening_leaves_less_detail(photo: Tensor) -> None:
    spreads = [float(gaussian_blur(photo[None], [sigma]).diff(dim=-1).std()) for sigma in (0.0, 0.5, 1.0, 2.0)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 2 * spreads[-1]


@pytest.mark.parametrize("mode", list(ResizeMode))
def test_resizes_give_the_size_asked_for(photo: Tensor, mode: ResizeMode) -> None:
    assert resize_by(photo[None], factor=0.31, mode=mode).shape == (1, 3, 29, 39)
    assert resize_to(photo[None], height=7, width=200, mode=mode).shape == (1, 3, 7, 200)
    assert torch.allclose(resize_by(photo[None], factor=1.0, mode=mode), photo[None], atol=1e-6)


def test_a_picture_that_would_vanish_is_refused() -> None:
    with pytest.raises(ValueError, match=r"3x2 pixels cannot be resized by 0\.300"):
        resize_by(torch.zeros(1, 3, 2, 3), factor=0.3, mode=ResizeMode.AREA)


def test_rounding_gives_8_bit_levels_within_range() -> None:
    values = round_to_8_bit(torch.tensor([-0.2, 0.001, 0.5, 1.3]))
    assert torch.equal((values * 255).round(), torch.tensor([0.0, 0.0, 128.0, 255.0]))


def test_blur_equals_a_plain_cross_correlation(photos: Tensor) -> None:
    kernel = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(0))
    kernel = kernel / kernel.sum(dim=(1, 2), keepdim=True)
    padded = functional.pad(photos, [4] * 4, mode="reflect").double()
    for index in range(3):
        weights = kernel[index].double().expand(3, 1, 9, 9)
        expected = functional.conv2d(padded[index : index + 1], weights, groups=3)
        assert float((blur(photos, kernel)[index].double() - expected[0]).abs().max()) < 1e-6
