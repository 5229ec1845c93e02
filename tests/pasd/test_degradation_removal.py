"""The degradation removal module: sizes of what it gives, and how far it sees."""

import pytest
import torch

from pasd_batch.pasd.degradation_removal import DegradationRemovalModule, RrdbDegradationRemoval


def module(**options):
    torch.manual_seed(3)
    built = DegradationRemovalModule(8, (4, 4, 8, 8), **options)
    built.conv_out.reset_parameters()
    return built


@torch.no_grad()
def test_sizes():
    seen = module()(torch.rand(2, 3, 48, 72))
    assert seen.embedding.shape == (2, 8, 6, 9)
    assert [tuple(rgb.shape) for rgb in seen.rgbs] == [(2, 3, 24, 36), (2, 3, 12, 18), (2, 3, 6, 9)]


@torch.no_grad()
def test_without_rgb_heads():
    assert module(return_rgbs=False)(torch.rand(1, 3, 16, 16)).rgbs is None


@torch.no_grad()
def test_a_fresh_module_changes_nothing():
    assert not DegradationRemovalModule(8, (4, 4, 8, 8))(torch.rand(1, 3, 16, 16)).embedding.any()


@pytest.mark.parametrize("use_rrdb", [False, True])
def test_reach_is_as_far_as_a_pixel_acts(use_rrdb):
    """Which photo pixels an embedding pixel and the finest to-RGB pixels below it depend on, by their gradients."""
    drm = module(use_rrdb=use_rrdb).double()
    side, row = 21 * 8, 10
    photo = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    seen = drm(photo)
    inside = slice(4 * row, 4 * row + 4)
    (seen.embedding[:, :, row, row].sum() + seen.rgbs[0][:, :, inside, inside].sum()).backward()
    rows = photo.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    farthest = max(8 * row - int(rows.min()), int(rows.max()) - (8 * row + 7))
    assert drm.halo - 8 < farthest <= drm.halo
    assert drm.halo % 8 == 0


@torch.no_grad()
def test_a_tile_of_an_rrdb_network_needs_little_around_it():
    """Its receptive field is 372 pixels, but what is beyond its halo does not show."""
    torch.manual_seed(0)
    drm = RrdbDegradationRemoval(8, 6).eval()
    torch.nn.init.normal_(drm.conv_out.weight, std=0.1)
    photo = torch.rand(1, 3, 64 + 2 * 256, 64 + 2 * 256)
    margin = 256 - drm.halo
    part = drm(photo[:, :, margin:-margin, margin:-margin]).embedding[:, :, drm.halo // 8 : -drm.halo // 8]
    wanted = drm(photo).embedding[:, :, 32:40, 32:40]
    found = part[:, :, :, drm.halo // 8 : -drm.halo // 8]
    assert float((found - wanted).abs().max()) < 1e-4 * float(wanted.std())


def test_an_rrdb_network_shows_the_clean_photo_at_a_quarter():
    shown = RrdbDegradationRemoval(8, 1)(torch.rand(2, 3, 32, 48))
    assert shown.embedding.shape == (2, 8, 4, 6)
    assert shown.rgbs is not None
    assert [tuple(rgb.shape) for rgb in shown.rgbs] == [(2, 3, 8, 12)]
    assert RrdbDegradationRemoval(8, 1, return_rgbs=False)(torch.rand(1, 3, 16, 16)).rgbs is None
