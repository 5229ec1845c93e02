"""Colorization: the model sees grey, and its colours are kept."""

import pytest
import torch
from torch.nn import functional

from pasd_batch.config.base import ConfigError
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.pasd.colorization import color_prompt, to_gray, with_luma
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


def test_another_luma_leaves_the_chroma():
    generator = torch.Generator().manual_seed(0)
    colored, source = torch.rand(2, 3, 5, 7, generator=generator), torch.rand(2, 3, 5, 7, generator=generator)
    merged = with_luma(colored, source)
    torch.testing.assert_close(to_gray(merged), to_gray(source))
    torch.testing.assert_close(merged - merged[:, :1], colored - colored[:, :1])


def test_the_model_sees_a_gray_photo_and_its_colors_are_kept(make_restorer, photograph):
    photo = photograph[:, :64, 100:164]
    sampling = {"steps": 1, "guidance_scale": 1.0, "added_prompt": ""}
    bare = restored(make_restorer(**sampling, color_fix=ColorFix.NONE), to_gray(photo))
    assert torch.equal(bare, restored(make_restorer(**sampling, colorize=True, color_fix=ColorFix.NONE), photo))
    assert not torch.equal(bare, restored(make_restorer(**sampling, color_fix=ColorFix.NONE), photo))

    colorized = restored(make_restorer(**sampling, colorize=True), photo)
    assert float((colorized - to_gray(colorized)).abs().max()) > 0.05
    distance = (to_gray(colorized) - to_gray(upscaled(photo, colorized))).abs().mean()
    assert float(distance) < 0.02 < float((to_gray(bare) - to_gray(upscaled(photo, bare))).abs().mean())


def upscaled(photo, like):
    return functional.interpolate(photo[None], size=like.shape[-2:], mode="bicubic", antialias=True)[0].clamp(0, 1)


def test_prompts_speak_of_color(make_restorer):
    (result,) = make_restorer(steps=1, colorize=True).restore(
        [torch.rand(3, 16, 16)], prompts=["Black and white dog"], seeds=[1]
    )
    assert result.prompt == "color dog"
    assert color_prompt("a black-and-white dog, black and whiteish") == "a color dog, colorish"


def test_what_is_not_set_is_as_the_released_colorization_has_it():
    def sampling(**values):
        model = {"base": "a", "control": "a"}
        return RestorationSettings.parse({"model": model, "sampling": values}).sampling

    colorization = sampling(colorize=True)
    assert colorization.color_fix is ColorFix.LUMA
    assert (colorization.added_prompt, colorization.negative_prompt) == ("", "b&w, color bleeding")
    assert sampling(colorize=True, color_fix="none", added_prompt="8k").added_prompt == "8k"
    assert sampling().color_fix is ColorFix.WAVELET
    with pytest.raises(ConfigError, match="color_fix adain would bring back the grey; with colorize set it to luma or"):
        sampling(colorize=True, color_fix="adain")
