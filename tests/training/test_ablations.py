"""The paper's ablations: what each of them takes away is not in the trained model, the loss or the validation."""

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import scratch, settings, values

from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.pasd.checkpoint import is_paca
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.photo_index import load_or_create_index
from pasd_batch.training.data.process_feed import make_batch
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.loop.validation import ValidationPhoto
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task, loader_spec, open_output


def control_and_unet(work, name, **more):
    train(settings(work, steps=2, output=str(work / name), ema_decay=None, **more))
    unet, control = (work / name / part / "diffusion_pytorch_model.safetensors" for part in ("unet", "controlnet"))
    return load_file(unet), load_file(control)


@pytest.mark.parametrize("paca", ["pasd", "pasd_light"])
def test_without_paca_its_layers_stay_as_they_started(work, paca):
    model = scratch(work / "base", paca=paca)
    before, _ = control_and_unet(work, "with", model=model)
    after, _ = control_and_unet(work, "without", model=model, without=["paca"])
    last = "proj_out" if paca == "pasd" else "attn2_plus.to_out.0"
    silent = [name for name in after if is_paca(name) and last in name]
    assert silent
    assert all(not after[name].any() for name in silent)
    assert all(before[name].any() for name in silent if name.endswith("weight"))
    restorer = Restorer.from_settings(
        RestorationSettings.parse(
            {
                "model": {"base": work / "without", "control": work / "without"},
                "sampling": {"steps": 1, "scale": 1, "min_short_side": 8},
            }
        )
    )
    (restored,) = restorer.restore([torch.rand(3, 32, 32)], prompts=[""], seeds=[0])
    assert isinstance(restored, Restoration)


def test_without_degradation_removal_there_are_no_rgb_heads_and_no_loss_of_them(work):
    _, control = control_and_unet(work, "without", without=["degradation_removal"])
    assert not any("to_rgbs" in name for name in control)
    (first, *_) = read_log(Storage.open(str(work / "without")))
    assert "degradation_removal" not in first
    assert first["loss"] == first["denoising"]


@pytest.mark.parametrize("losses", [{}, {"gamma": 0, "colorfulness": 0.001}])
def test_losses_of_rgb_heads_that_are_not_there_are_refused(work, losses):
    branch = {"conditioning_embedding_out_channels": [8, 8, 8, 8], "return_rgbs": False}
    with pytest.raises(TrainingError, match=r"need the to-RGB heads .*set both to 0"):
        build_task(settings(work, model=scratch(work / "base", branch=branch), losses=losses))
    task = build_task(settings(work, model=scratch(work / "base", branch=branch), losses={"gamma": 0}))
    assert task.networks.control_branch.controlnet_cond_embedding.to_rgbs is None


def test_without_adjustable_noise_validation_starts_from_pure_noise(work):
    assert not build_task(settings(work)).sampling.pure_noise_start
    assert build_task(settings(work, without=["adjustable_noise"])).sampling.pure_noise_start


def test_without_high_level_prompt_training_has_no_captions(work):
    rows = [["id", "uri", "prompt"], *([name, f"photos/photo-{name}.png", "a woman"] for name in "012345")]
    (work / "photos.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    data = values(work)["data"]
    data["sources"] = [{"kind": "photos", "path": str(work / "photos.csv")}]
    data["samples"]["caption_drop_probability"] = 0
    for without, captions in (([], ("a woman", "a woman")), (["high_level_prompt"], ("", ""))):
        chosen = settings(work, data=data, without=without, output=str(work / f"without-{len(without)}"))
        load_or_create_index(open_output(chosen), chosen.data.sources, chosen.data.storage)
        assert make_batch(loader_spec(chosen, Placement(torch.device("cpu"))), 0).batch.captions == captions


def test_without_high_level_prompt_validation_has_no_captions(work):
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    photos = [ValidationPhoto(caption, caption, picture, picture, 0) for caption in ("a cat", "two small houses")]
    for without, same in (([], False), (["high_level_prompt"], True)):
        first, second = build_task(settings(work, without=without, validation_sampling={"steps": 1})).restore(photos)
        assert torch.equal(first, second) is same
