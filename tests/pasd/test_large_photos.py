"""Large photos: the same pictures, made part by part, with no whole one in float32 on the way."""

import weakref
from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKL
from tiny_model import levels_apart, tiny_settings
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from pasd_batch.config.sampling import ColorFix
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.config.weak_tiles import RetryWeakSettings
from pasd_batch.pasd import conditioning, padded_photo, padding, postprocessing, solver, vae_tiling
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.noise_draws import NoiseDraws
from pasd_batch.pasd.padded_photo import PaddedPhoto
from pasd_batch.pasd.pixel_dtypes import from_float, to_float
from pasd_batch.pasd.resampling import resized_part
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.pasd.tiling import Tile

TILES = TilingSettings(tile_size=16, overlap=4, vae_tile_size=16)


@pytest.fixture
def all_are_large(monkeypatch):
    """Photos of any size go part by part, and nothing is kept between the VAE's levels."""

    def make():
        for module in (padded_photo, postprocessing, vae_tiling):
            monkeypatch.setattr(module, "WHOLE_PIXELS", 0)
        monkeypatch.setattr(vae_tiling, "KEPT_BYTES", 0)
        monkeypatch.setattr(solver, "_STRIP_BYTES", 1000)

    return make


def restored(restorer, photo):
    (result,) = restorer.restore([photo], prompts=["a photo"], seeds=[5])
    assert isinstance(result, Restoration), result
    return result


def levels(photo):
    return from_float(photo, torch.uint8)


@pytest.mark.parametrize(
    "sampling",
    [
        {"color_fix": ColorFix.WAVELET, "kept_frequencies": 0.1},
        {"color_fix": ColorFix.ADAIN, "steps": 3, "alpha_a": 0.7},
        {"color_fix": ColorFix.LUMA, "colorize": True, "scale": 1.37, "retry_weak": RetryWeakSettings(enabled=True)},
        {"color_fix": ColorFix.NONE, "scale": 0.5, "pure_noise_start": True},
    ],
    ids=lambda sampling: sampling["color_fix"].value,
)
def test_parts_make_the_picture_that_is_made_as_a_whole(make_restorer, photograph, all_are_large, sampling):
    """Within one level of 256, at borders of tiles too, for all that looks at a photo as a whole."""
    settings = {"steps": 1, "guidance_scale": 1.0, "min_short_side": 8, "tiling": TILES} | sampling
    photo = levels(photograph[:, 100:172, 60:148])
    whole = restored(make_restorer(**settings), photo)
    all_are_large()
    by_parts = restored(make_restorer(**settings), photo)
    assert by_parts.image.dtype == whole.image.dtype == torch.uint8
    assert whole.report == by_parts.report
    assert levels_apart(to_float(whole.image), to_float(by_parts.image)) <= 1


def test_a_scheduler_steps_strips_as_the_whole(make_restorer, photograph, monkeypatch):
    settings = {"steps": 4, "guidance_scale": 1.0, "min_short_side": 8}
    photo = photograph[:, :40, :50]
    for name in ("EulerDiscreteScheduler", "UniPCMultistepScheduler"):
        with monkeypatch.context() as patched:
            whole = restored(make_restorer(**settings, scheduler=name), photo)
            patched.setattr(solver, "_STRIP_BYTES", 1000)
            assert torch.equal(restored(make_restorer(**settings, scheduler=name), photo).image, whole.image)


@pytest.mark.parametrize(("size", "wanted"), [((50, 70), (100, 140)), ((61, 45), (83, 62)), ((90, 70), (40, 31))])
def test_a_part_of_a_photo_is_resized_as_the_whole(size, wanted):
    """Within what 16 bits can tell."""
    photo = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    whole = padding.resize(photo, Size(*wanted))
    for tile in (Tile(0, 0, Size(*wanted)), Tile(7, 11, Size(20, 13)), Tile(wanted[0] - 9, wanted[1] - 5, Size(9, 5))):
        part = resized_part(photo, Size(*wanted), tile)
        torch.testing.assert_close(part, tile.crop(whole), rtol=0, atol=1 / 65535)


def test_the_padding_of_a_large_photo_is_that_of_others(all_are_large):
    photo = torch.rand(1, 3, 50, 70, generator=torch.Generator().manual_seed(0))
    sizes = padding.choose_sizes(Size(50, 70), scale=2.0, min_short_side=8, multiple=64)
    whole = PaddedPhoto.of(photo, sizes, torch.device("cpu"))
    all_are_large()
    parts = PaddedPhoto.of(photo, sizes, torch.device("cpu"))
    assert parts.whole is None
    for tile in (Tile(0, 0, sizes.padded), Tile(90, 128, Size(38, 64))):
        torch.testing.assert_close(parts.part(tile), whole.part(tile), rtol=0, atol=1 / 65535)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_levels_come_back_as_they_were(dtype):
    largest = {torch.uint8: 255, torch.uint16: 65535}[dtype]
    every = torch.arange(largest + 1, dtype=torch.int32).to(dtype)
    assert torch.equal(from_float(to_float(every), dtype).int(), every.int())


def test_noise_is_gone_before_more_is_drawn(make_restorer, photograph, monkeypatch):
    """Each draw is as large as the latents, of which a very large photo has more than a gigabyte."""
    draw, drawn = NoiseDraws._draw, []

    def watched_draw(self, size):
        assert all(each() is None for each in drawn)
        noise = draw(self, size)
        drawn.append(weakref.ref(noise))
        return noise

    monkeypatch.setattr(NoiseDraws, "_draw", watched_draw)
    restored(make_restorer(steps=1, guidance_scale=1.0, min_short_side=8), photograph[:, :40, :50])
    assert len(drawn) == 4


def test_noise_of_a_very_large_photo_has_half_the_bytes_and_the_same_numbers(monkeypatch):
    whole = NoiseDraws(5, 4, Size(30, 20)).training_noise()
    monkeypatch.setattr("pasd_batch.pasd.noise_draws.FULL_PRECISION_NOISE", 1000)
    monkeypatch.setattr("pasd_batch.pasd.noise_draws._PART", 160)
    draws = NoiseDraws(5, 4, Size(30, 20))
    half = draws.training_noise()
    assert half.dtype == torch.float16
    assert torch.equal(half, whole.half())
    assert draws.offset().dtype == torch.float32


def test_a_photo_with_noise_of_half_the_bytes_is_nearly_the_same(make_restorer, photograph, monkeypatch):
    photo = photograph[:, :64, :96]
    tiling = TilingSettings(tile_size=16, overlap=4)
    options = {"steps": 2, "guidance_scale": 1.0, "min_short_side": 8, "tiling": tiling}
    expected = restored(make_restorer(**options), photo)
    for module in ("noise_draws", "tiling"):
        monkeypatch.setattr(f"pasd_batch.pasd.{module}.FULL_PRECISION_NOISE", 100)
    found = restored(make_restorer(**options), photo)
    assert not torch.equal(found.image, expected.image)
    torch.testing.assert_close(found.image, expected.image, rtol=0, atol=2 / 255)


class LiveFloats(TorchDispatchMode):
    """Bytes of tensors of floating point that are alive at once, and the largest of them; views count once."""

    def __init__(self):
        super().__init__()
        self.live, self.most, self.largest = {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **kwargs or {})
        for each in tree_flatten(made)[0]:
            if isinstance(each, torch.Tensor) and each.is_floating_point():
                self._note(each.untyped_storage())
        return made

    def _note(self, storage):
        key = storage._cdata
        if key not in self.live:
            self.live[key] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, key, None)
            self.most = max(self.most, sum(self.live.values()))
            self.largest = max(self.largest, storage.nbytes())


def without_norms(network):
    """A network whose normalisations, which cost passes of their own over all tiles, are left out, to be quick."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.GroupNorm):
                setattr(module, name, torch.nn.Identity())
    return network


def test_nothing_but_latents_is_whole_in_floats(models, photograph, all_are_large, tiny_model_folder, monkeypatch):
    """No tensor of floats is as large as a photo that is much larger than the networks' tiles, and few are there."""
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        mid_block_add_attention=False,
    )
    settings = {"steps": 1, "guidance_scale": 1.0, "scale": 4.0, "min_short_side": 8, "alpha_a": 0.9}
    tiling = TilingSettings(tile_size=16, overlap=4, vae_tile_size=16)
    restorer = Restorer(
        replace(models, vae=without_norms(vae.eval())), tiny_settings(tiny_model_folder, **settings, tiling=tiling)
    )
    photo = levels(photograph[:, :176, :224])
    all_are_large()
    monkeypatch.setattr(conditioning, "EMBEDDED_BLOCK", 16)
    with LiveFloats() as floats:
        result = restored(restorer, photo)
    whole = 4 * result.image.numel()
    assert floats.largest < whole
    assert floats.most < 2 * whole
