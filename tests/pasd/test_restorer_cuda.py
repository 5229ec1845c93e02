"""The restorer on an NVIDIA GPU: lower precision, full memory, neighbours, compilation. Skipped where there is none."""

import gc
from contextlib import contextmanager

import pytest
import torch
from tiny_model import tiny_settings

from pasd_batch.config.model import ModelSettings, Precision
from pasd_batch.config.restoration import RestorationSettings, TilingSettings
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.records import PhotoFailure

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

LEVEL = 1 / 255


def restore(restorer, *photos):
    return restorer.restore(photos, prompts=[""] * len(photos), seeds=list(range(1, len(photos) + 1)))


def embedded(**model):
    """The embedded model with the settings that it was shipped with."""
    return Restorer.from_settings(RestorationSettings(model=ModelSettings(**model)))


def tiny(folder, *, model, **sampling):
    return Restorer.from_settings(tiny_settings(folder, model={"device": "cuda", **model}, **sampling))


@contextmanager
def room_for(allowed):
    """So many bytes of the GPU's memory beside what is in use: whatever needs more finds memory full."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + allowed) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def memory_of(action):
    """The result, and the bytes it took at its peak beside what was in use before."""
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    result = action()
    return result, torch.cuda.max_memory_reserved() - before


@pytest.fixture(scope="module")
def photo(photograph):
    """A small photo, to be enlarged."""
    return torch.nn.functional.interpolate(photograph[None], scale_factor=0.25, mode="area")[0]


@pytest.fixture(scope="module")
def on_cpu(photo):
    return restore(embedded(device="cpu", dtype="float32"), photo)[0].image


def test_float32_is_what_the_cpu_gives(photo, on_cpu):
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        (result,) = restore(embedded(device="cuda", dtype="float32"), photo)
    assert float((result.image - on_cpu).abs().max()) < LEVEL


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_the_bits_change_next_to_nothing(photo, on_cpu, precision):
    (result,) = restore(embedded(device="cuda", dtype=precision), photo)
    error = (result.image - on_cpu).abs()
    assert not result.report.float32_retry
    assert 0 < float(error.mean()) < LEVEL
    assert float(error.square().mean().log10()) * -10 > 40, "PSNR against float32"


def test_bfloat16_is_what_cuda_gets_by_default():
    assert load_models(ModelSettings()).dtype == torch.bfloat16


def test_float16_that_overflows_is_done_again_in_float32(tiny_model_folder, photograph):
    restorer = tiny(tiny_model_folder, model={"dtype": Precision.FLOAT16})
    photo = photograph[:, :64, 100:164]
    with torch.no_grad():
        for parameter in restorer.models.unet.conv_in.parameters():
            parameter.fill_(6e4)
        overflown = restore(restorer, photo)[0]
    if isinstance(overflown, PhotoFailure):
        assert "even in float32" in overflown.message
    else:
        assert overflown.report.float32_retry
        assert torch.isfinite(overflown.image).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_neighbours_change_no_bit(tiny_model_folder, photograph, precision):
    tiling = TilingSettings(tile_size=16, overlap=8, tile_batch=4)
    restorer = tiny(tiny_model_folder, model={"dtype": precision}, tiling=tiling)
    photos = [photograph[:, :192, 120:376], photograph[:, 200:264, :96], photograph[:, 300:444, 8:136]]
    together = restorer.restore(photos, prompts=["a", "b", "c"], seeds=[1, 2, 3])
    backwards = restorer.restore(photos[::-1], prompts=["c", "b", "a"], seeds=[3, 2, 1])[::-1]
    for photo, prompt, seed, joint, reversed_ in zip(photos, "abc", (1, 2, 3), together, backwards, strict=True):
        (alone,) = restorer.restore([photo], prompts=[prompt], seeds=[seed])
        assert torch.equal(joint.image, alone.image)
        assert torch.equal(reversed_.image, alone.image)


class TestFullMemory:
    """The GPU's own refusals, provoked by lending the process less of its memory than it just needed."""

    @pytest.fixture(scope="class")
    def large(self, photograph):
        """A photo of 128x128 latents, nine tiles."""
        return torch.nn.functional.interpolate(photograph[None], scale_factor=2)[0]

    def restorer(self, folder, tile_batch):
        tiling = TilingSettings(tile_size=64, overlap=8, vae_tile_size=32, tile_batch=tile_batch)
        return tiny(folder, model={"dtype": Precision.FLOAT32}, tiling=tiling, color_fix="none")

    def test_the_batch_is_halved_until_it_fits(self, tiny_model_folder, large):
        restorer, careful = (self.restorer(tiny_model_folder, tile_batch) for tile_batch in (9, 1))
        restore(restorer, large)
        _, needed = memory_of(lambda: restore(restorer, large))
        (expected,), least = memory_of(lambda: restore(careful, large))
        assert least < needed
        with room_for((needed + least) // 2):
            (result,) = restore(restorer, large)
        assert isinstance(result, Restoration)
        assert result.report.out_of_memory_retries > 0
        assert result.report.tile_batch < 9
        assert result.report.tile_size == 64
        assert float((result.image - expected.image).abs().max()) < LEVEL

    def test_what_never_fits_is_a_failure_with_its_size_and_the_next_photo_is_fine(self, tiny_model_folder, large):
        restorer = self.restorer(tiny_model_folder, 1)
        with room_for(8 * 2**20):
            (failure,) = restore(restorer, large)
        assert isinstance(failure, PhotoFailure)
        assert failure.error_type == "OutOfMemory"
        assert "1024x1024" in failure.message
        (result,) = restore(restorer, large)
        assert isinstance(result, Restoration)


def test_compiled_networks_give_the_same_picture(tiny_model_folder, photograph):
    photo = photograph[:, :128, 100:228]
    plain, compiled = (
        tiny(tiny_model_folder, model={"dtype": Precision.BFLOAT16, "compile": compiles}) for compiles in (False, True)
    )
    expected, result = (restore(restorer, photo)[0].image for restorer in (plain, compiled))
    assert float((expected - result).abs().mean()) < LEVEL
