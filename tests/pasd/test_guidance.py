"""Guidance: what the two halves of a batch are, and that the negative half is not computed when it is not used."""

import pytest
import torch
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion
from sampled_photos import rows_seen, tile_batch
from tiny_model import tiny_networks

from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch, rescale_noise_cfg


def predict(batch, *, networks=None, **guidance):
    unet, branch = networks or tiny_networks()
    with torch.no_grad():
        return GuidedDenoiser(unet, branch, Guidance(**guidance))(batch, 500)


@pytest.mark.parametrize(("scale", "active"), [(0.0, False), (1.0, False), (1.01, True), (9.0, True)])
def test_guidance_is_active_above_one(scale, active):
    assert Guidance(scale).is_active is active


def test_no_negative_half_when_guidance_is_off():
    networks = tiny_networks()
    with rows_seen(*networks) as (unet_rows, branch_rows):
        predict(tile_batch(guided=False), networks=networks, scale=1.0)
    assert (unet_rows, branch_rows) == ([3], [3])


def test_both_halves_in_one_call_when_it_is_on():
    networks = tiny_networks()
    with rows_seen(*networks) as (unet_rows, branch_rows):
        predict(tile_batch(), networks=networks, scale=9.0)
    assert (unet_rows, branch_rows) == ([6], [6])


def test_guess_mode_runs_the_control_branch_on_one_half():
    networks = tiny_networks()
    with rows_seen(*networks) as (unet_rows, branch_rows):
        predict(tile_batch(), networks=networks, scale=9.0, guess_mode=True)
    assert (unet_rows, branch_rows) == ([6], [3])


def test_guided_noise_leads_away_from_the_negative_prompt():
    both = tile_batch()
    positive = predict(TileBatch(both.latents, both.embeddings, both.prompts, None), scale=1.0)
    negative = predict(TileBatch(both.latents, both.embeddings, both.negative_prompts, None), scale=1.0)
    assert not torch.allclose(positive, negative, rtol=1e-3)
    expected = negative + 3.0 * (positive - negative)
    torch.testing.assert_close(predict(both, scale=3.0), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("level", "acts"), [(0.27, False), (0.28, False), (0.29, True), (5.42, True), (5.43, False)])
def test_guidance_acts_within_its_interval(level, acts):
    assert Guidance(9.0, interval=(0.28, 5.42)).acts_at(level) is acts
    assert Guidance(9.0).acts_at(level)


def test_rescaled_guidance_has_the_spread_of_the_prompts_noise_tile_by_tile():
    generator = torch.Generator().manual_seed(0)
    positive, guided = (torch.randn(3, 4, 8, 8, generator=generator) * spread for spread in (1.0, 5.0))
    guided[1] *= 7.0
    whole = rescale_noise_cfg(guided, positive, 1.0)
    torch.testing.assert_close(whole.std(dim=(1, 2, 3)), positive.std(dim=(1, 2, 3)))
    torch.testing.assert_close(rescale_noise_cfg(guided, positive, 0.25), 0.25 * whole + 0.75 * guided)
    torch.testing.assert_close(whole[1:2], rescale_noise_cfg(guided[1:2], positive[1:2], 1.0))


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_rescaled_guidance_is_that_of_diffusers(share):
    both = tile_batch()
    positive = predict(TileBatch(both.latents, both.embeddings, both.prompts, None), scale=1.0)
    expected = pipeline_stable_diffusion.rescale_noise_cfg(predict(both, scale=9.0), positive, guidance_rescale=share)
    torch.testing.assert_close(predict(both, scale=9.0, rescale=share), expected, rtol=1e-4, atol=1e-5)


def test_without_rescaling_the_numbers_are_those_of_before():
    plain = predict(tile_batch(), scale=9.0)
    assert torch.equal(plain, predict(tile_batch(), scale=9.0, rescale=0.0))


def test_guess_mode_differs_from_both_halves_steered():
    assert not torch.allclose(
        predict(tile_batch(), scale=3.0, guess_mode=True), predict(tile_batch(), scale=3.0), rtol=1e-3
    )


def test_conditioning_scale_changes_the_prediction():
    weak = predict(tile_batch(), scale=3.0, conditioning_scale=0.1)
    assert not torch.allclose(weak, predict(tile_batch(), scale=3.0), rtol=1e-3)


def test_half_precision_is_combined_in_float32():
    unet, branch = tiny_networks()
    half = tile_batch()
    rounded = TileBatch(
        *(tensor.bfloat16() for tensor in (half.latents, half.embeddings, half.prompts, half.negative_prompts))
    )
    predicted = predict(rounded, networks=(unet.bfloat16(), branch.bfloat16()), scale=3.0)
    assert predicted.dtype == torch.float32
    assert float((predicted - predict(half, scale=3.0)).abs().mean()) < 0.05
