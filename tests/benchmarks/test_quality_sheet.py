"""Contact sheets of the benchmarks: size, what each cell shows, and which rows are chosen."""

import numpy as np
import pytest
from evaluation.contact_sheet import SheetRow, choose_rows, contact_sheet, row_cells, sheet_size


def gradient(height: int, width: int) -> np.ndarray:
    levels = np.arange(height * width, dtype=np.float32).reshape(height, width, 1) % 256
    return np.repeat(levels / 255, 3, axis=2)


def test_the_sheet_has_the_size_of_its_rows_and_columns() -> None:
    rows = [SheetRow("a", (gradient(16, 24), gradient(64, 96))), SheetRow("b", (gradient(32, 32), gradient(32, 32)))]
    sheet = contact_sheet(rows, ["input", "original"], title="x4", cell=48)
    assert sheet.size == sheet_size(2, 2, cell=48)
    assert sheet.size == (2 * 16 + 2 * 48 + 8, 2 * 16 + 2 * 24 + 2 * (48 + 24 + 8))


def test_cells_are_no_larger_than_the_photos() -> None:
    sheet = contact_sheet(
        [SheetRow("a", (gradient(16, 24), gradient(32, 48)))], ["input", "original"], title="", cell=320
    )
    assert sheet.size == sheet_size(1, 2, cell=48)


def test_cells_show_the_same_middle_at_the_pixels_own_size() -> None:
    small, large = gradient(16, 24), gradient(64, 96)
    first, second = row_cells(SheetRow("a", (small, large)), 32)
    assert first.size == second.size == (32, 32)
    assert np.array_equal(np.asarray(second), np.round(large[16:48, 32:64] * 255).astype(np.uint8))
    enlarged = np.kron(small, np.ones((4, 4, 1)))
    assert np.array_equal(np.asarray(first), np.round(enlarged[16:48, 32:64] * 255).astype(np.uint8))


def test_rows_without_a_picture_for_every_column_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 2 pictures, one for each of input, original"):
        contact_sheet([SheetRow("a", (gradient(8, 8),))], ["input", "original"], title="x4")
    with pytest.raises(ValueError, match="rows of 1 pictures"):
        contact_sheet([], ["input"], title="x4")


def test_rows_are_chosen_by_seed_and_name_alone() -> None:
    names = [f"photo_{number}" for number in range(9)]
    chosen = choose_rows(names, 3, seed=2)
    assert chosen == choose_rows(names[::-1], 3, seed=2)
    assert set(chosen) < set(choose_rows(names, 5, seed=2))
    assert len({tuple(choose_rows(names, 3, seed=seed)) for seed in range(8)}) > 1
