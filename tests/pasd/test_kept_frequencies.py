import math

import pytest
import torch

from pasd_batch.pasd.kept_frequencies import keep_frequencies


def waves(frequency: float, size: int = 128) -> torch.Tensor:
    """Vertical stripes of so many cycles per pixel, of amplitude 1."""
    return torch.cos(2 * math.pi * frequency * torch.arange(size, dtype=torch.float32)).expand(1, 3, size, size)


def test_without_a_cut_the_restored_photo_is_as_it_is():
    restored = torch.rand(1, 3, 20, 30)
    assert keep_frequencies(restored, torch.rand(1, 3, 20, 30), 0.0) is restored


@pytest.mark.parametrize("cutoff", [0.05, 0.125, 0.2])
def test_half_of_the_amplitude_at_the_cut_is_the_inputs(cutoff):
    kept = keep_frequencies(torch.zeros(1, 3, 128, 128), waves(cutoff), cutoff)[..., 40:-40, 40:-40]
    assert float(kept.max()) == pytest.approx(0.5, abs=0.02)
    low = keep_frequencies(torch.zeros(1, 3, 128, 128), waves(cutoff / 4), cutoff)[..., 40:-40, 40:-40]
    high = keep_frequencies(torch.zeros(1, 3, 128, 128), waves(cutoff * 2), cutoff)[..., 40:-40, 40:-40]
    assert float(low.max()) > 0.9
    assert float(high.max()) < 0.1


def test_brightness_is_the_inputs_up_to_the_border():
    kept = keep_frequencies(torch.zeros(1, 3, 16, 9), torch.full((1, 3, 16, 9), 0.3), 0.01)
    torch.testing.assert_close(kept, torch.full((1, 3, 16, 9), 0.3))


def test_both_directions_are_treated_alike():
    generator = torch.Generator().manual_seed(0)
    restored, source = (torch.rand(1, 3, 12, 20, generator=generator) for _ in range(2))
    turned = keep_frequencies(restored.transpose(2, 3), source.transpose(2, 3), 0.2).transpose(2, 3)
    torch.testing.assert_close(turned, keep_frequencies(restored, source, 0.2))


def test_more_is_kept_the_higher_the_cut():
    generator = torch.Generator().manual_seed(1)
    restored, source = (torch.rand(1, 3, 64, 64, generator=generator) for _ in range(2))
    errors = [
        float((keep_frequencies(restored, source, cutoff) - source).square().mean()) for cutoff in (0.0, 0.1, 0.2, 0.5)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 10
