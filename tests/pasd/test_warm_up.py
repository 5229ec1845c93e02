"""Warming up: the networks are called with whole tiles before any photo comes, where they are compiled."""

import pytest
import torch
from sampled_photos import rows_seen
from tiny_model import tiny_settings

from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd import restorer
from pasd_batch.pasd.guidance import Guidance
from pasd_batch.pasd.memory import MemoryLimits
from pasd_batch.pasd.passes import MultiPassRestorer
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.warm_up import warm_up

LIMITS = MemoryLimits(tile_size=8, tile_batch=3, vae_tile_size=16)


@pytest.mark.parametrize(("scale", "halves"), [(1.0, 1), (3.0, 2)])
def test_as_many_whole_tiles_as_go_together_are_sent_through(models, scale, halves):
    shapes = []
    hook = models.unet.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    with rows_seen(models.control_branch) as (rows,):
        warm_up(models, Guidance(scale), LIMITS)
    hook.remove()
    assert shapes == [(3 * halves, 4, 8, 8)]
    assert rows == [3 * halves]


def test_a_full_memory_is_left_to_the_photos(models, caplog):
    def full(*_):
        raise torch.OutOfMemoryError("out of memory")

    hook = models.unet.register_forward_pre_hook(full)
    warm_up(models, Guidance(1.0), LIMITS)
    hook.remove()
    assert "do not fit into memory" in caplog.text


def test_compiled_networks_alone_are_warmed_up_when_they_are_loaded(tiny_model_folder, monkeypatch):
    warmed = []
    monkeypatch.setattr(restorer, "warm_up", lambda _models, guidance, limits: warmed.append((guidance, limits)))
    tiling = TilingSettings(tile_size=24, overlap=4, tile_batch=2)
    settings = tiny_settings(tiny_model_folder, model={"compile": True}, tiling=tiling)
    Restorer.from_settings(settings)
    assert [(guidance.scale, limits.tile_size, limits.tile_batch) for guidance, limits in warmed] == [(3.0, 24, 2)]
    whole = settings.model_dump()
    passes = [{"model": whole["model"], "sampling": whole["sampling"]}] * 2
    MultiPassRestorer.from_settings(RestorationSettings.parse({"passes": passes}))
    assert len(warmed) == 3
    Restorer.from_settings(tiny_settings(tiny_model_folder))
    assert len(warmed) == 3
