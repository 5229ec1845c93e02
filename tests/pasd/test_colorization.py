"""Colorization: the model sees grey, and its colours are kept."""

import pytest
import torch

from pasd_batch.config.base import ConfigError
from pasd_batch.config.restoration import ColorFix, RestorationSettings
from pasd_batch.pasd.colorization import to_gray
from pasd_batch.pasd.restorer import Restoration


def restored(restorer, photo):
    (result,) = restorer.restore([photo], prompts=[""], seeds=[1])
    assert isinstance(result, Restoration), result
    return result.image


def test_gray_is_luma_in_all_channels():
    photo = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.5]]])
    expected = torch.tensor([[0.299, 0.587 + 0.5 * 0.114]])
    gray = to_gray(photo)
    assert gray.shape == photo.shape
    for channel in gray:
        torch.testing.assert_close(channel, expected)


def test_the_model_sees_a_gray_photo_and_its_colors_are_kept(make_restorer, photograph):
    photo = photograph[:, :64, 100:164]
    sampling = {"steps": 1, "guidance_scale": 1.0}
    colorized = restored(make_restorer(**sampling, colorize=True), photo)
    assert torch.equal(colorized, restored(make_restorer(**sampling, color_fix=ColorFix.NONE), to_gray(photo)))
    assert float((colorized - to_gray(colorized)).abs().max()) > 0.05
    assert not torch.equal(colorized, restored(make_restorer(**sampling, color_fix=ColorFix.NONE), photo))


def test_the_color_fix_is_off_unless_it_is_asked_for_which_is_refused():
    model = {"base": "a", "control": "a"}
    settings = RestorationSettings.parse({"model": model, "sampling": {"colorize": True}})
    assert settings.sampling.color_fix is ColorFix.NONE
    assert RestorationSettings.parse({"model": model}).sampling.color_fix is ColorFix.WAVELET
    with pytest.raises(ConfigError, match="color_fix adain would bring back the grey; with colorize set it to none"):
        RestorationSettings.parse({"model": model, "sampling": {"colorize": True, "color_fix": "adain"}})
