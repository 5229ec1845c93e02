"""The restorer on an NVIDIA GPU (skipped without one): precision, full memory, neighbours, compilation, graphs."""

import gc
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import pytest
import torch
from kernel_errors import geglu_errors, group_norm_errors
from tiny_model import tiny_settings

from pasd_batch.config.model import ModelSettings, Precision
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd import padding
from pasd_batch.pasd.cuda_graphs import CudaRecorder, NetworkGraphs
from pasd_batch.pasd.device import float32_matmul_precision
from pasd_batch.pasd.fused import working_kernels
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.regions import PhotoRegions
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
    with float32_matmul_precision(tf32=False):
        (result,) = restore(embedded(device="cuda", dtype="float32", vae_tf32=False), photo)
    assert float((result.image - on_cpu).abs().max()) < LEVEL


def test_tf32_in_the_vae_changes_less_than_a_file_of_8_bits_can_show(photo, on_cpu):
    with float32_matmul_precision(tf32=False):
        (result,) = restore(embedded(device="cuda", dtype="float32"), photo)
    error = (result.image - on_cpu).abs()
    assert 0 < float(error.mean()) < LEVEL / 8
    assert float(error.max()) < LEVEL


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


@pytest.mark.parametrize("graphs", [True, False])
def test_what_a_mask_leaves_is_the_photos_own_enlargement(tiny_model_folder, photograph, graphs):
    photo = photograph[:, :128, 100:228]
    mask = torch.ones(128, 128)
    mask[:, :64] = 0.0
    restorer = tiny(tiny_model_folder, model={"cuda_graphs": graphs}, scale=1.5, steps=3)
    own = padding.resize(photo[None], Size(192, 192))[0]
    for _ in range(2):
        (made,) = restorer.restore([photo], prompts=[""], seeds=[1], regions=[PhotoRegions(photo, mask)])
        assert torch.equal(made.image[..., :96], own[..., :96])
        assert not torch.equal(made.image[..., 96:], own[..., 96:])


class TestFullMemory:
    """The GPU's own refusals, provoked by lending the process less of its memory than it just needed."""

    @pytest.fixture(scope="class")
    def large(self, photograph):
        """A photo of 128x128 latents, nine tiles."""
        return torch.nn.functional.interpolate(photograph[None], scale_factor=2)[0]

    def restorer(self, folder, tile_batch):
        tiling = TilingSettings(tile_size=64, overlap=8, vae_tile_size=32, tile_batch=tile_batch)
        model = {"dtype": Precision.FLOAT32, "cuda_graphs": False}
        return tiny(folder, model=model, tiling=tiling, color_fix="none")

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


def test_kernels_give_what_torchs_give():
    assert working_kernels(torch.device("cuda")) is not None
    shapes, precisions = [(2, 320, 64, 64, 32), (3, 80, 9, 17, 4)], ["float32", "bfloat16"]
    errors = group_norm_errors("cuda", shapes, precisions) | geglu_errors("cuda", precisions)
    for name, error in errors.items():
        assert error <= (2**-8 if "bfloat16" in name else 2e-5), f"{name}: {error}"


@pytest.mark.parametrize(("precision", "most"), [("float32", LEVEL / 10), ("bfloat16", LEVEL)])
def test_fused_layers_change_only_roundings(tiny_model_folder, photograph, precision, most):
    photo = photograph[:, :192, 120:376]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        expected, result = (
            restore(tiny(tiny_model_folder, model={"dtype": precision, "fused_layers": fused}), photo)[0].image
            for fused in (False, True)
        )
    assert float((expected - result).abs().mean()) < most


class TestGraphs:
    """Launching kernels by CUDA graphs, against launching them one by one."""

    SIDES = ((64, 64), (64, 128), (192, 192), (128, 64))

    @pytest.fixture(scope="class")
    def photos(self, photograph):
        return [photograph[:, 40 : 40 + height, 100 : 100 + width] for height, width in self.SIDES]

    def restorers(self, folder, graphs=None, *, precision="bfloat16", **sampling):
        """One with graphs and one without, of the same networks."""
        tiling = TilingSettings(tile_size=16, overlap=4, tile_batch=4)
        restorer = tiny(folder, model={"dtype": precision}, tiling=tiling, steps=4, **sampling)
        assert restorer.models.graphs is not None
        with_graphs, without = (
            Restorer(replace(restorer.models, graphs=each), restorer.settings)
            for each in (graphs or restorer.models.graphs, None)
        )
        return with_graphs, without

    def same(self, restorer, plain, *photos):
        results, expected = restore(restorer, *photos), restore(plain, *photos)
        return all(torch.equal(one.image, other.image) for one, other in zip(results, expected, strict=True))

    @pytest.mark.parametrize("precision", ["bfloat16", "float16", "float32"])
    @pytest.mark.parametrize(
        "sampling",
        [{}, {"guidance_scale": 1.0}, {"guess_mode": True, "conditioning_scale": 0.8}, {"step_cache": 2}],
        ids=str,
    )
    def test_they_change_no_bit(self, tiny_model_folder, photos, precision, sampling):
        restorer, plain = self.restorers(tiny_model_folder, precision=precision, **sampling)
        for _ in range(2):
            assert self.same(restorer, plain, *photos)
        assert self.same(restorer, plain, photos[2]), "alone, too"
        assert restorer.models.graphs.recordings >= 3
        assert not restorer.models.graphs.has_given_up
        assert not restorer.models.graphs.refused

    def test_dropped_shapes_are_recorded_again(self, tiny_model_folder, photos):
        graphs = NetworkGraphs(CudaRecorder(torch.device("cuda")), most_shapes=2)
        restorer, plain = self.restorers(tiny_model_folder, graphs)
        for _ in range(2):
            for photo in photos:
                assert self.same(restorer, plain, photo)
                assert graphs.recordings in (1, 2)
        assert not graphs.has_given_up
        assert not graphs.refused

    def test_without_memory_for_them_everything_goes_on(self, tiny_model_folder, photos):
        graphs = NetworkGraphs(CudaRecorder(torch.device("cuda"), share_of_memory=0.0))
        restorer, plain = self.restorers(tiny_model_folder, graphs)
        assert self.same(restorer, plain, *photos)
        assert (graphs.recordings, graphs.has_given_up) == (0, False)

    def test_released_ones_give_their_memory_back(self, tiny_model_folder, photos):
        restorer, plain = self.restorers(tiny_model_folder)
        held, left = [], []
        for _ in range(2):
            restore(restorer, *photos)
            gc.collect()
            torch.cuda.empty_cache()
            held.append(torch.cuda.memory_reserved())
            assert restorer.models.graphs.release_for_memory()
            left.append(torch.cuda.memory_reserved())
        assert left[0] < held[0]
        # Not compared with what was there before them: cuBLAS keeps a workspace for every stream it has seen.
        assert left[1] <= left[0]
        assert self.same(restorer, plain, *photos)

    def test_networks_that_were_moved_are_recorded_again(self, tiny_model_folder, photos):
        restorer, _ = self.restorers(tiny_model_folder)
        (expected,) = restore(restorer, photos[0])
        with restorer.models.in_float32():
            assert restorer.models.graphs.recordings == 0
        occupied = [torch.full((2**18,), torch.nan, device="cuda") for _ in range(20)]
        (result,) = restore(restorer, photos[0])
        assert torch.equal(result.image, expected.image)
        assert len(occupied) == 20

    def test_what_cannot_be_recorded_runs_without_and_others_still_can(self):
        def synchronizing(values):
            return values * values.sum().item()

        graphs = NetworkGraphs(CudaRecorder(torch.device("cuda")))
        with torch.inference_mode():
            for value in (1.0, 2.0, 3.0):
                inputs = (torch.full((4,), value, device="cuda"),)
                assert graphs.run("a", synchronizing, inputs).tolist() == [4 * value**2] * 4
            assert graphs.refused == {"a"}
            for value in (1.0, 2.0, 3.0):
                inputs = (torch.full((4,), value, device="cuda"),)
                assert graphs.run("b", lambda values: 2 * values, inputs).tolist() == [2 * value] * 4
        assert graphs.recordings == 1

    def test_other_threads_may_use_the_gpu_meanwhile(self, tiny_model_folder, photos):
        restorer, plain = self.restorers(tiny_model_folder)
        done, errors = Event(), []

        def compute():
            try:
                while not done.is_set():
                    torch.ones(64, 1024, device="cuda").sum().item()
            except RuntimeError as error:
                errors.append(error)

        thread = Thread(target=compute)
        thread.start()
        try:
            same = [self.same(restorer, plain, photo) for photo in photos]
        finally:
            done.set()
            thread.join()
        assert not errors
        assert all(same)
        assert not restorer.models.graphs.has_given_up
        assert not restorer.models.graphs.refused
