"""Tiles that fill a GPU, for GPUs of several sizes, none of which is needed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tiny_model import tiny_settings

from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.tile_batch import saturating_tile_batch

GIB = 2**30


@pytest.fixture
def gpu(monkeypatch):
    """Makes torch see a GPU of so many GiB."""

    def of(gib):
        properties = SimpleNamespace(total_memory=gib * GIB)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: properties)

    return of


def together(tile_size, *, width=320, dtype=torch.bfloat16):
    return saturating_tile_batch(tile_size, width=width, dtype=dtype, device=torch.device("cuda"))


@pytest.mark.parametrize(
    ("gib", "tile_size", "tiles"),
    [(80, 96, 4), (141, 96, 4), (80, 64, 8), (80, 32, 32), (80, 16, 32), (80, 192, 1), (8, 96, 4), (2, 96, 2)],
)
def test_as_many_go_together_as_fill_the_gpu_and_fit_its_memory(gpu, gib, tile_size, tiles):
    gpu(gib)
    assert together(tile_size) == tiles


def test_one_goes_where_none_would_fit(gpu):
    gpu(1)
    assert together(256, dtype=torch.float32) == 1


def test_precision_and_width_count(gpu):
    gpu(2)
    assert together(96, dtype=torch.float32) < together(96) < together(96, width=32)


@pytest.mark.parametrize(
    ("device", "given", "limits"), [("cuda", None, (4, True)), ("cuda", 6, (6, False)), ("cpu", None, (1, False))]
)
def test_settings_come_first_and_a_cpu_takes_one_at_a_time(gpu, models, tiny_model_folder, device, given, limits):
    gpu(80)
    settings = tiny_settings(tiny_model_folder, tiling=TilingSettings(tile_batch=given))
    chosen = Restorer(replace(models, device=torch.device(device)), settings)._limits()
    assert (chosen.tile_batch, chosen.scales) == limits
