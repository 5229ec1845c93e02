"""The grid's measure: 1 for what photos go through without a latent grid, above its bound for grids of many kinds."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pasd_batch.metrics.periodic_pattern import GRID_BOUND, MIN_SIDE, periodic_pattern

ROWS, COLUMNS = np.mgrid[:400, :390]
DOTS = ((ROWS % 8 == 3) & (COLUMNS % 8 == 5))[..., None] / 255
BLOBS = np.exp(-((ROWS % 8 - 3.5) ** 2 + (COLUMNS % 8 - 3.5) ** 2) / 4.5)[..., None] / 255
HEIGHTS = np.kron(np.random.default_rng(1).normal(size=(50, 49)), np.ones((8, 8)))[:, :390, None] / 255


def _rounded(photo: np.ndarray) -> np.ndarray:
    return (np.clip(photo, 0, 1) * 255).round() / 255


def _image(photo: np.ndarray) -> Image.Image:
    return Image.fromarray((_rounded(photo) * 255).astype(np.uint8))


def _enlarged(photo: np.ndarray, factor: int, shrinking: Image.Resampling, enlarging: Image.Resampling) -> np.ndarray:
    height, width = photo.shape[:2]
    small = _image(photo).resize((-(-width // factor), -(-height // factor)), shrinking)
    large = small.resize((small.width * factor, small.height * factor), enlarging)
    return np.asarray(large)[:height, :width] / 255


def _jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    _image(photo).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(buffer)) / 255


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return data.astronaut()[:400, 60:450] / 255


@pytest.fixture(scope="module")
def soft(clean: np.ndarray) -> np.ndarray:
    return _enlarged(clean, 4, Image.Resampling.LANCZOS, Image.Resampling.LANCZOS)


def test_a_photo_has_as_much_of_a_grid_as_itself(clean):
    found = periodic_pattern(clean, clean)
    assert found is not None
    assert (found.flat, found.edges) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda photo: _jpeg(photo, 97), id="jpeg of high quality"),
        pytest.param(lambda photo: _rounded(photo + np.random.default_rng(0).normal(0, 0.02, photo.shape)), id="noise"),
        pytest.param(lambda photo: np.roll(photo, (3, 5), axis=(0, 1)), id="moved"),
        pytest.param(lambda photo: 0.8 * photo + 0.1, id="less contrast"),
        *(
            pytest.param(lambda photo, by=by, how=how: _enlarged(photo, by, how, how), id=f"{how.name} x{by}")
            for by in (2, 3, 4)
            for how in (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC)
        ),
    ],
)
def test_changes_without_a_latent_grid_stay_within_the_bound(clean, change):
    found = periodic_pattern(clean, change(clean))
    assert found is not None
    assert 0.8 < found.flat <= GRID_BOUND
    assert 0.8 < found.edges <= GRID_BOUND


@pytest.mark.parametrize(
    ("pattern", "edges_too"),
    [
        pytest.param(DOTS, True, id="dots of 1 level"),
        pytest.param(2 * DOTS, True, id="dots of 2 levels"),
        pytest.param(BLOBS, True, id="soft dots of 1 level"),
        pytest.param(2 * HEIGHTS, False, id="blocks of random height"),
        pytest.param(np.where((ROWS + COLUMNS) % 2, 1, -1)[..., None] / 255, True, id="checkerboard of period 2"),
        pytest.param(np.where((ROWS // 2 + COLUMNS // 2) % 2, 1, -1)[..., None] / 255, True, id="of period 4"),
        pytest.param(np.where(COLUMNS % 8 < 4, 1, -1)[..., None] / 255, True, id="stripes"),
    ],
)
@pytest.mark.parametrize("corner", [(0, 0), (3, 6)])
def test_a_grid_is_above_the_bound_wherever_it_begins(clean, soft, pattern, edges_too, corner):
    cut = tuple(slice(start, None) for start in corner)
    found = periodic_pattern(clean[cut], _rounded(soft + pattern)[cut])
    assert found is not None
    assert found.flat > GRID_BOUND
    assert found.edges > GRID_BOUND or not edges_too


def test_dots_and_stair_steps_along_edges_are_above_the_bound(clean, soft):
    slope = np.hypot(*np.gradient(soft @ (0.299, 0.587, 0.114)))[..., None]
    dotted = periodic_pattern(clean, _rounded(soft + 0.5 * slope * ((ROWS % 8 < 2) & (COLUMNS % 8 < 2))[..., None]))
    stairs = periodic_pattern(clean, _enlarged(clean, 8, Image.Resampling.BOX, Image.Resampling.NEAREST))
    assert dotted is not None
    assert stairs is not None
    assert dotted.edges > 1.5 * GRID_BOUND
    assert dotted.edges > dotted.flat
    assert stairs.edges > 2 * GRID_BOUND


def test_figures_grow_with_the_grid(clean, soft):
    figures = [periodic_pattern(clean, soft + levels * BLOBS) for levels in (0, 1, 2, 4)]
    flat = [found.flat for found in figures if found is not None]
    assert len(flat) == 4
    assert flat == sorted(flat)


def test_blocks_of_strong_jpeg_compression_are_a_grid_too(clean):
    found = periodic_pattern(clean, _jpeg(clean, 30))
    assert found is not None
    assert found.flat > GRID_BOUND


def test_small_photos_have_no_figure_and_other_sizes_are_refused(clean):
    small = clean[: MIN_SIDE - 1]
    assert periodic_pattern(small, small) is None
    assert periodic_pattern(clean[:MIN_SIDE], clean[:MIN_SIDE]) is not None
    with pytest.raises(ValueError, match="cannot be compared"):
        periodic_pattern(clean, clean[:300])


def test_it_needs_neither_torch_nor_pyiqa():
    script = (
        "import sys, pasd_batch.metrics.periodic_pattern; print([m for m in ('torch', 'pyiqa') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
