import subprocess
import sys

import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pasd_batch.metrics.fidelity import PSNR_CAP, fidelity, psnr, scaled_to, ssim


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (data.astronaut()[:200, 100:420] / 255).astype(np.float32)


def test_psnr_and_ssim_agree_with_scikit_image(photo):
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 0.05, photo.shape), 0, 1).astype(np.float32)
    assert psnr(photo, noisy) == pytest.approx(peak_signal_noise_ratio(photo, noisy, data_range=1.0), abs=1e-4)
    luma = np.array([0.299, 0.587, 0.114])
    _, full = structural_similarity(
        photo @ luma, noisy @ luma, data_range=1.0, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    assert ssim(photo, noisy) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)


def test_ssim_in_bands_is_ssim_at_once(photo):
    tall = np.tile(photo, (6, 1, 1))
    other = tall[::-1]
    bands = ssim(tall, other)
    luma = np.array([0.299, 0.587, 0.114])
    _, full = structural_similarity(
        tall @ luma, other @ luma, data_range=1.0, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    assert bands == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)


def test_a_photo_is_true_to_itself(photo):
    same = fidelity(photo, photo)
    assert (same.psnr, same.color_difference) == (PSNR_CAP, 0.0)
    assert same.ssim == pytest.approx(1.0)


def test_enlarging_stays_true_and_inventing_does_not(photo):
    enlarged = scaled_to(photo, height=400, width=640)
    true = fidelity(photo, enlarged)
    assert true.psnr > 35
    assert true.ssim is not None
    assert true.ssim > 0.97
    invented = fidelity(photo, np.roll(enlarged, 16, axis=1))
    assert invented.ssim is not None
    assert invented.psnr < true.psnr - 10
    assert invented.ssim < true.ssim - 0.2
    assert fidelity(photo, np.clip(enlarged * (1.0, 0.8, 0.8), 0, 1)).color_difference > true.color_difference + 3


@pytest.mark.parametrize("size", [(1, 1), (10, 400), (7, 3)])
def test_small_photos_have_no_ssim(size):
    tiny = np.full((*size, 3), 0.5, np.float32)
    result = fidelity(tiny, np.full((size[0] * 2, size[1] * 2, 3), 0.6, np.float32))
    assert result.ssim is None
    assert result.psnr == pytest.approx(20.0, abs=1e-3)
    with pytest.raises(ValueError, match="less than SSIM's window of 11"):
        ssim(tiny, tiny)


def test_it_needs_neither_torch_nor_pyiqa():
    script = "import sys, pasd_batch.metrics.fidelity; print([m for m in ('torch', 'pyiqa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
