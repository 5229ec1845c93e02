"""What the restorer does when memory is full or a result is unsound; provoked by hooks on the real networks."""

import weakref
from contextlib import contextmanager

import pytest
import torch
from tiny_model import levels_apart, tiny_settings

from pasd_batch.config.model import Precision
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.records import PhotoFailure


@pytest.fixture
def photo(photograph):
    """One photo of 24x32 latents."""
    return photograph[:, :192, 120:376]


@pytest.fixture
def small(photograph):
    """One photo of 8x8 latents."""
    return photograph[:, :64, 100:164]


@pytest.fixture(scope="module")
def half(tiny_model_folder):
    """Networks and VAE in bfloat16."""
    model = {"dtype": Precision.BFLOAT16, "vae_dtype": Precision.BFLOAT16}
    return Restorer.from_settings(tiny_settings(tiny_model_folder, model=model))


def restore(restorer, *photos):
    return restorer.restore(photos, prompts=["a woman"] * len(photos), seeds=[1] * len(photos))


@contextmanager
def memory_for(module, pixels):
    """A device on which a module fits no input of more than so many rows x height x width."""

    def refuse(_module, inputs):
        rows, _, height, width = inputs[0].shape
        if rows * height * width > pixels:
            raise torch.OutOfMemoryError(f"no room for {rows}x{height}x{width}")

    with module.register_forward_pre_hook(refuse):
        yield


@contextmanager
def spoilt(module, value, *, when=lambda output: output.dtype == torch.bfloat16):
    """A network whose output is `value` wherever `when` holds of it."""

    def spoil(_module, _inputs, output):
        return torch.full_like(output, value) if when(output) else output

    with module.register_forward_hook(spoil):
        yield


class TestFullMemory:
    """One tile of 24x32 latents, guided, is 2 x 768 pixels; one of 16x16 is 2 x 256."""

    def test_first_the_batch_is_halved(self, make_restorer, models, photo):
        tiles = {"tile_size": 16, "overlap": 8}
        with memory_for(models.unet, 2 * 256):
            (result,) = restore(make_restorer(tiling=TilingSettings(**tiles, tile_batch=4)), photo)
        report = result.report
        assert (report.out_of_memory_retries, report.tile_batch, report.tile_size, report.tiles) == (2, 1, 16, 6)
        (expected,) = restore(make_restorer(tiling=TilingSettings(**tiles, tile_batch=1)), photo)
        assert torch.equal(result.image, expected.image)

    def test_then_tiles_become_smaller(self, make_restorer, models, photo):
        with memory_for(models.unet, 2 * 256):
            (result,) = restore(make_restorer(tiling=TilingSettings(tile_size=32, overlap=8, tile_batch=2)), photo)
        report = result.report
        assert (report.out_of_memory_retries, report.tile_batch, report.tile_size, report.tiles) == (2, 1, 16, 6)
        (expected,) = restore(make_restorer(tiling=TilingSettings(tile_size=16, overlap=8)), photo)
        assert torch.equal(result.image, expected.image)

    @pytest.mark.parametrize("part", ["encoder", "decoder"])
    def test_tiles_of_the_vae_become_smaller(self, make_restorer, models, photo, part):
        blocks = models.vae.encoder.down_blocks[0] if part == "encoder" else models.vae.decoder.up_blocks[-1]
        with memory_for(blocks.resnets[0], 192 * 192):
            (result,) = restore(make_restorer(tiling=TilingSettings(vae_tile_size=32)), photo)
        assert result.report.out_of_memory_retries == 1
        assert result.report.tile_size == 96
        (expected,) = restore(make_restorer(), photo)
        assert levels_apart(result.image, expected.image) <= 1

    def test_what_never_fits_is_a_failure_with_size_and_remedy(self, make_restorer, models, photo):
        with memory_for(models.unet, 0):
            (failure,) = restore(make_restorer(scale=1.5, tiling=TilingSettings(tile_size=32, tile_batch=2)), photo)
        assert isinstance(failure, PhotoFailure)
        assert failure.error_type == "OutOfMemory"
        for part in ("256x192 to 384x288", "after 2 retries", "use a smaller scale", "more memory"):
            assert part in failure.message

    def test_one_photo_that_never_fits_harms_no_others(self, make_restorer, models, photo, small):
        restorer = make_restorer()
        with memory_for(models.vae.decoder.mid_block, 64):
            results = restore(restorer, small, photo, small)
        assert isinstance(results[1], PhotoFailure)
        (expected,) = restore(restorer, small)
        assert torch.equal(results[0].image, expected.image)
        assert torch.equal(results[2].image, expected.image)

    def test_a_large_photo_does_not_change_the_tiles_of_a_small_one(self, make_restorer, models, photo, small):
        restorer = make_restorer(tiling=TilingSettings(tile_size=32, overlap=8))
        with memory_for(models.unet, 2 * 256):
            results = restore(restorer, small, photo)
        assert [result.report.tile_size for result in results] == [32, 16]
        (expected,) = restore(restorer, small)
        assert torch.equal(results[0].image, expected.image)

    def test_the_next_photos_are_not_affected(self, make_restorer, models, small):
        restorer = make_restorer(tiling=TilingSettings(tile_batch=2))
        with memory_for(models.unet, 2 * 64):
            (first,) = restore(restorer, small)
        (second,) = restore(restorer, small)
        assert (first.report.tile_batch, first.report.out_of_memory_retries) == (1, 1)
        assert (second.report.tile_batch, second.report.out_of_memory_retries) == (2, 0)

    def test_a_failed_attempt_together_holds_no_memory_while_photos_go_one_by_one(self, make_restorer, models, small):
        refused, alive = [], []

        def refuse_two_photos(_module, inputs):
            alive.append(sum(remains() is not None for remains in refused))
            if len(seen) == 2:
                refused.append(weakref.ref(inputs[0]))
                raise torch.OutOfMemoryError

        seen = []
        encoded = models.vae.encoder.register_forward_hook(lambda *_: None)
        counting = models.vae.encoder.conv_in.register_forward_pre_hook(lambda *_: seen.append(1))
        refusing = models.vae.decoder.conv_in.register_forward_pre_hook(refuse_two_photos)
        with encoded, counting, refusing:
            results = restore(make_restorer(), small, small)
        assert all(isinstance(result, Restoration) for result in results)
        assert len(refused) == len(alive) - 2
        assert alive[-2:] == [0, 0]


class TestUnsoundResults:
    """Half precision that overflows; the default colour correction would hide a black or white picture."""

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 0.0])
    def test_of_the_vae_are_computed_again_in_float32(self, half, make_restorer, small, value):
        # The last layer is in float32 all the time.
        rounded = lambda _output: half.models.vae_dtype == torch.bfloat16  # noqa: E731
        with spoilt(half.models.vae.decoder.conv_out, value, when=rounded):
            (result,) = restore(half, small)
        assert result.report.float32_retry
        assert half.models.vae.dtype == half.models.unet.dtype == torch.bfloat16
        (exact,) = restore(make_restorer(), small)
        assert float((result.image - exact.image).abs().mean()) < 0.02

    @pytest.mark.parametrize("part", ["unet", "control_branch.mid_block"])
    def test_of_the_networks_are_computed_again_in_float32(self, half, small, part):
        with spoilt(half.models.unet if part == "unet" else half.models.control_branch.mid_block, float("nan")):
            (result,) = restore(half, small)
        assert result.report.float32_retry
        assert bool(torch.isfinite(result.image).all())

    def test_the_next_photos_run_in_half_precision_again(self, half, small):
        (before,) = restore(half, small)
        with spoilt(half.models.unet, float("nan")):
            restore(half, small)
        (after,) = restore(half, small)
        assert not after.report.float32_retry
        assert torch.equal(after.image, before.image)

    def test_of_one_photo_do_not_touch_the_others(self, half, small, photo):
        (expected,) = restore(half, small)
        wide = lambda output: half.models.vae_dtype == torch.bfloat16 and output.shape[-1] > 64  # noqa: E731
        with spoilt(half.models.vae.decoder.conv_out, float("nan"), when=wide):
            results = restore(half, small, photo, small)
        assert [result.report.float32_retry for result in results] == [False, True, False]
        assert torch.equal(results[0].image, expected.image)
        assert torch.equal(results[2].image, expected.image)

    @pytest.mark.parametrize(
        ("value", "reason"), [(float("nan"), "not finite"), (0.0, "flat although the input is not")]
    )
    def test_in_float32_too_are_a_failure(self, half, small, value, reason):
        with spoilt(half.models.vae.decoder.conv_out, value, when=lambda _output: True):
            (failure,) = restore(half, small)
        assert isinstance(failure, PhotoFailure)
        assert failure.error_type == "UnsoundResult"
        assert reason in failure.message
        assert "even in float32; check the model files" in failure.message

    def test_of_float32_networks_are_not_computed_twice(self, make_restorer, models, small):
        calls = []
        with (
            spoilt(models.vae.decoder.conv_out, float("nan"), when=lambda _output: True),
            models.unet.register_forward_hook(lambda *_: calls.append(1)),
        ):
            (failure,) = restore(make_restorer(steps=2), small)
        assert failure.error_type == "UnsoundResult"
        assert len(calls) == 2

    def test_a_flat_photo_may_stay_flat(self, half):
        with spoilt(half.models.vae.decoder.conv_out, 0.0, when=lambda _output: True):
            (result,) = restore(half, torch.full((3, 64, 64), 0.3))
        assert isinstance(result, Restoration)
        assert not result.report.float32_retry

    def test_no_memory_for_float32_is_a_failure_and_leaves_half_precision(self, half, small):
        def refuse(module, _inputs):
            if module.conv_in.weight.dtype == torch.float32:
                raise torch.OutOfMemoryError

        with spoilt(half.models.unet, float("nan")), half.models.unet.register_forward_pre_hook(refuse):
            (failure,) = restore(half, small)
        assert failure.error_type == "OutOfMemory"
        (result,) = restore(half, small)
        assert isinstance(result, Restoration)
