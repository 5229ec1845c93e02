"""Rows of the benchmarks' contact sheets: what each cell shows, and which rows are chosen."""

import numpy as np
from evaluation.sheet_rows import choose_rows, sheet_row

from pasd_batch.report.render import contact_sheet


def gradient(height: int, width: int) -> np.ndarray:
    levels = np.arange(height * width, dtype=np.float32).reshape(height, width, 1) % 256
    return np.repeat(levels / 255, 3, axis=2)


def test_cells_show_the_same_middle_at_the_pixels_own_size() -> None:
    small, large = gradient(16, 24), gradient(64, 96)
    first, second = sheet_row("a", (small, large), cell=32).images
    assert np.array_equal(second, large[16:48, 32:64])
    assert np.array_equal(first, np.kron(small, np.ones((4, 4, 1), np.float32))[16:48, 32:64])


def test_cells_are_no_larger_than_the_photos() -> None:
    assert [image.shape for image in sheet_row("a", (gradient(16, 24), gradient(32, 48))).images] == [(32, 48, 3)] * 2


def test_a_sheet_of_cells_shows_every_pixel_as_it_is() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.float32) / 255
    row = sheet_row("a", (gradient(16, 24), gradient(64, 96), photo))
    sheet = np.asarray(contact_sheet([row], ["input", "pasd", "original"], title="x4"))
    shown = np.lib.stride_tricks.sliding_window_view(sheet, (64, 96), axis=(0, 1))
    assert (shown == np.rint(photo * 255).transpose(2, 0, 1)).all(axis=(2, 3, 4)).any()


def test_rows_are_chosen_by_seed_and_name_alone() -> None:
    names = [f"photo_{number}" for number in range(9)]
    chosen = choose_rows(names, 3, seed=2)
    assert chosen == choose_rows(names[::-1], 3, seed=2)
    assert set(chosen) < set(choose_rows(names, 5, seed=2))
    assert len({tuple(choose_rows(names, 3, seed=seed)) for seed in range(8)}) > 1
