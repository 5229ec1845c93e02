"""The penalty on periodic patterns: what it sees is what the measure sees, and a few steps against it remove a grid."""

import pytest
import torch
from tiny_training import EVERYTHING, settings

from pasd_batch.config.base import ConfigError
from pasd_batch.config.picture_losses import SMALLEST_GRID_CROP, PictureLossSettings
from pasd_batch.metrics.periodic_pattern import periodic_pattern
from pasd_batch.training.objectives.grid_penalty import GridPenalty
from pasd_batch.training.objectives.picture_loss import PicturePair, build_picture_loss
from pasd_batch.training.objectives.sample_draws import SampleDraws
from pasd_batch.training.trainer import train


def smooth_pictures(side=256):
    """Two pictures in [-1, 1], of a gradient with a little noise."""
    ramp = torch.linspace(-0.5, 0.5, side).expand(2, 3, side, side)
    return ramp + 0.01 * torch.randn(ramp.shape, generator=torch.Generator().manual_seed(1))


def dots(side, strength):
    pattern = torch.zeros(side, side)
    pattern[::8, ::8] = strength
    return pattern


def stair_steps(side, strength):
    """Blocks of 8 pixels, of random brightness: their spectrum is 0 at the multiples, that of their edges is not."""
    heights = torch.randn(side // 8, side // 8, generator=torch.Generator().manual_seed(2))
    return strength * heights.repeat_interleave(8, 0).repeat_interleave(8, 1)


def measured(clean, pictures):
    first, second = (((each[0].permute(1, 2, 0) + 1.0) / 2.0).numpy() for each in (clean, pictures))
    pattern = periodic_pattern(first, second)
    assert pattern is not None
    return max(pattern.flat, pattern.edges)


@pytest.mark.parametrize("pattern", [dots, stair_steps])
def test_it_grows_with_the_measure(pattern):
    clean = smooth_pictures()
    penalty = GridPenalty()
    assert float(penalty(clean, clean)) == 0.0
    grids = [clean + pattern(256, strength) for strength in (0.01, 0.04, 0.16)]
    penalties, figures = [float(penalty(each, clean)) for each in grids], [measured(clean, each) for each in grids]
    assert 0.0 < penalties[0] < penalties[1] < penalties[2]
    assert 1.0 < figures[0] < figures[1] < figures[2]
    assert figures[1] > 1.2


def test_what_has_no_period_of_8_is_let_alone():
    clean = smooth_pictures()
    noisy = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    assert float(GridPenalty()(noisy, clean)) < 0.1 * float(GridPenalty()(clean + dots(256, 0.04), clean))


def test_steps_against_it_take_a_grid_away_and_leave_the_picture():
    clean = smooth_pictures(128)
    pictures = (clean + dots(128, 0.05)).requires_grad_()
    penalty = GridPenalty()
    before = float(penalty(pictures.detach(), clean))
    optimizer = torch.optim.Adam([pictures], lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        penalty(pictures, clean).backward()
        optimizer.step()
    assert float(penalty(pictures.detach(), clean)) < 0.2 * before
    assert float((pictures.detach() - clean).abs().mean()) < 0.02


def test_in_low_precision_it_is_the_same():
    clean = smooth_pictures(128)
    pictures = clean + dots(128, 0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = GridPenalty()(pictures, clean)
    assert low.dtype == torch.float32
    assert torch.equal(low, GridPenalty()(pictures, clean))


def test_its_gradient_on_pictures_is_the_multiple_that_the_settings_say():
    clean = smooth_pictures(128)
    pair, pictures = PicturePair(clean, (clean + 1.0) / 2.0), (clean + dots(128, 0.05)).requires_grad_()
    gradients = {}
    for multiple in (0.0, 0.5):
        loss = build_picture_loss(PictureLossSettings(grid=multiple), seed=1)
        parts = loss(pictures, pair, torch.zeros(2), SampleDraws(3, torch.arange(2)))
        assert ("grid" in parts) is (multiple > 0.0)
        (gradients[multiple],) = torch.autograd.grad(parts["loss"], pictures)
    added = (gradients[0.5] - gradients[0.0]).norm() / gradients[0.0].norm()
    assert float(added) == pytest.approx(0.5, rel=1e-3)


def grid_settings(work, crop_size):
    samples = {"crop_size": crop_size}
    data = {"sources": [{"kind": "photos", "path": str(work / "photos")}], "samples": samples, "loaders": 0}
    return settings(work, data=data, trainable=EVERYTHING, losses={"picture": {"grid": 0.5}}, steps=2)


def test_a_training_has_it_in_its_log(work):
    train(grid_settings(work, SMALLEST_GRID_CROP))
    assert '"grid":' in (work / "output" / "log.jsonl").read_text()


def test_crops_too_small_for_it_are_refused(work):
    with pytest.raises(ConfigError, match=r"data\.samples\.crop_size is 64; set it to 72 or more"):
        grid_settings(work, 64)
