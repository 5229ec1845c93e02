"""Less at a time when memory is full, and how often that was needed."""

import gc
import weakref

import pytest
import torch

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.memory import MOST_TILES, SMALLEST_TILE, MemoryBudget, MemoryLimits

FULL = MemoryLimits(tile_size=96, tile_batch=4, vae_tile_size=128)


def fits(**most):
    """An action that runs out of memory while a limit is above `most`."""

    def action(limits):
        if any(getattr(limits, name) > value for name, value in most.items()):
            raise torch.OutOfMemoryError(f"no room for {limits}")
        return limits

    return action


def test_nothing_changes_while_it_fits():
    budget = MemoryBudget(FULL)
    assert budget.run(fits(), MemoryLimits.smaller_denoising) == FULL
    assert budget.retries == 0


def test_first_the_batch_then_the_tile():
    tried = []
    budget = MemoryBudget(FULL)

    def action(limits):
        tried.append((limits.tile_batch, limits.tile_size))
        return fits(tile_batch=1, tile_size=24)(limits)

    budget.run(action, MemoryLimits.smaller_denoising)
    assert tried == [(4, 96), (2, 96), (1, 96), (1, 48), (1, 24)]
    assert budget.retries == 4
    assert budget.limits.vae_tile_size == 128


def test_the_vae_shrinks_its_own_tile():
    budget = MemoryBudget(FULL)
    budget.run(fits(vae_tile_size=40), MemoryLimits.smaller_vae)
    assert budget.limits == MemoryLimits(tile_size=96, tile_batch=4, vae_tile_size=32)
    assert budget.retries == 2


def test_limits_stay_small_for_what_comes_next():
    budget = MemoryBudget(FULL)
    budget.run(fits(tile_batch=2), MemoryLimits.smaller_denoising)
    assert budget.run(fits(tile_batch=2), MemoryLimits.smaller_denoising).tile_batch == 2
    assert budget.retries == 1


@pytest.mark.parametrize("smaller", [MemoryLimits.smaller_denoising, MemoryLimits.smaller_vae])
def test_what_never_fits_is_raised_with_the_smallest_limits(smaller):
    budget = MemoryBudget(FULL)
    with pytest.raises(torch.OutOfMemoryError):
        budget.run(fits(tile_size=0), smaller)
    assert smaller(budget.limits) is None
    assert min(budget.limits.tile_size, budget.limits.vae_tile_size) >= SMALLEST_TILE


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "CUDA error: out of memory",
        "MPS backend out of memory (MPS allocated: 8.83 GB)",
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    ],
)
def test_a_full_memory_is_known_by_any_of_its_names(text):
    def fits_a_tile(limits):
        if limits.tile_batch > 1:
            raise RuntimeError(text)
        return limits.tile_batch

    budget = MemoryBudget(MemoryLimits(64, 4, 64))
    assert budget.run(fits_a_tile, MemoryLimits.smaller_denoising) == 1
    assert budget.retries == 2


def test_what_several_photos_share_shrinks_only_where_pixels_stay_the_same():
    budget = MemoryBudget(FULL, shared=True)
    with pytest.raises(torch.OutOfMemoryError):
        budget.run(fits(tile_size=48), MemoryLimits.smaller_denoising)
    assert budget.limits == MemoryLimits(tile_size=96, tile_batch=1, vae_tile_size=128)
    with pytest.raises(torch.OutOfMemoryError):
        budget.run(fits(vae_tile_size=64), MemoryLimits.smaller_vae)


def test_other_errors_are_not_retried():
    def action(limits):
        raise ValueError("something else")

    budget = MemoryBudget(FULL)
    with pytest.raises(ValueError, match="something else"):
        budget.run(action, MemoryLimits.smaller_denoising)
    assert budget.retries == 0


def test_a_failed_attempt_holds_no_memory_during_the_next():
    remains = []

    def action(limits):
        assert not any(remain() for remain in remains)
        large = torch.zeros(10)
        remains.append(weakref.ref(large))
        fits(tile_batch=1)(limits)

    gc.disable()
    try:
        MemoryBudget(FULL).run(action, MemoryLimits.smaller_denoising)
    finally:
        gc.enable()
    assert len(remains) == 3


@pytest.mark.parametrize(
    ("tile", "together"),
    [
        (Size(96, 96), 4),
        (Size(96, 72), 4),
        (Size(64, 64), 8),
        (Size(48, 96), 8),
        (Size(48, 48), 16),
        (Size(32, 32), MOST_TILES),
        (Size(1, 1), MOST_TILES),
        (Size(128, 72), 4),
    ],
    ids=str,
)
def test_smaller_tiles_go_more_at_a_time_where_settings_leave_it_open(tile, together):
    assert MemoryLimits(96, 4, 128, scales=True).tiles_together(tile) == together
    assert MemoryLimits(96, 4, 128).tiles_together(tile) == 4


def test_tiles_that_go_together_shrink_with_the_limits():
    limits = MemoryLimits(96, 4, 128, scales=True)
    seen = []
    while limits is not None:
        seen.append((limits.tile_size, limits.tiles_together(Size(48, 48))))
        limits = limits.smaller_denoising()
    assert seen == [(96, 16), (96, 8), (96, 4), (48, 1), (24, 1)]


def test_more_than_the_most_go_together_if_settings_say_so():
    assert MemoryLimits(96, 50, 128).tiles_together(Size(96, 96)) == 50
