"""Whole trainings in this process: resumed, killed, and their models restored from the command line."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_training
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_training import settings, values

from pasd_batch.cli import main
from pasd_batch.config.base import ConfigError
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.pasd.checkpoint import is_paca
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.data.process_feed import make_batch
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.acceleration import accelerate
from pasd_batch.training.loop.checkpoints import complete_steps
from pasd_batch.training.loop.identity import SETTINGS_FILE, claim_output
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task, loader_spec

UNET_WEIGHTS = Path("unet") / "diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Sums must round as in the killed processes."""


def losses(output):
    lines = read_log(Storage.open(str(output)))
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "step"}


def start_process(work, steps):
    script = Path(tiny_training.__file__)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen([sys.executable, str(script), str(work), str(steps)], env=environment)


def kill_when_there(process, path):
    """SIGKILL as soon as a file has appeared."""
    deadline = time.monotonic() + 400
    while not path.exists():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_training_resumes_with_the_losses_of_an_uninterrupted_one(work):
    steps = 8
    process = start_process(work, steps)
    # In the middle of writing the second checkpoint: the first one is the last that is whole.
    moment = work / "output" / "checkpoints" / "step-00000004" / "training" / "weights.safetensors"
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill_when_there, process, moment)
        train(settings(work, steps=steps, output=str(work / "uninterrupted")))
        killed.result()
    assert losses(work / "output").keys() < set(range(1, steps + 1))
    train(settings(work, steps=steps))
    assert losses(work / "output") == losses(work / "uninterrupted")
    for part in ("unet", "controlnet", "text_encoder"):
        name = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        resumed, whole = (
            load_file(work / output / part / f"{name}.safetensors") for output in ("output", "uninterrupted")
        )
        assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_a_finished_training_goes_on_when_it_is_given_more_steps(work):
    """In bfloat16, with averages, accumulation and gradient checkpointing: nothing of them is lost."""
    more = {"precision": "bfloat16", "gradient_checkpointing": True, "accumulation": 2, "batch_size": 1}
    train(settings(work, steps=2, **more))
    train(settings(work, steps=5, **more))
    train(settings(work, steps=5, output=str(work / "at-once"), **more))
    assert losses(work / "output") == losses(work / "at-once")
    assert sorted(complete_steps(Storage.open(str(work / "output")))) == [2, 4, 5]


def test_other_settings_do_not_resume_a_training(work):
    train(settings(work, steps=1))
    with pytest.raises(TrainingError, match=r"optimizer\.learning_rate, seed"):
        train(settings(work, steps=1, seed=4, optimizer={"learning_rate": 0.5}))


def test_a_training_does_not_go_on_with_other_frozen_weights(work):
    train(settings(work, steps=2))
    file = work / "base" / "vae" / "diffusion_pytorch_model.safetensors"
    untouched = file.read_bytes()
    weights = load_file(file)
    weights["decoder.conv_out.bias"] += 0.01
    save_file(weights, file)
    with pytest.raises(TrainingError, match=r"^vae: not what the training began with"):
        train(settings(work, steps=3))

    marker = work / "output" / "checkpoints" / "step-00000002" / "checkpoint.json"
    checkpoint = json.loads(marker.read_text())
    assert checkpoint["facts"]["frozen"].keys() == {"vae", "vae settings", "scheduler settings"}
    file.write_bytes(untouched)
    train(settings(work, steps=3))
    # A checkpoint of a version that did not keep digests.
    del checkpoint["facts"]["frozen"]
    marker.write_text(json.dumps(checkpoint))
    save_file(weights, file)
    shutil.rmtree(work / "output" / "checkpoints" / "step-00000003")
    train(settings(work, steps=4))


@pytest.mark.parametrize("wrong", [{"device": "abacus"}, {"model": tiny_training.scratch("nowhere")}])
def test_a_start_that_failed_leaves_its_output_to_mended_settings(work, wrong):
    with pytest.raises(PasdBatchError):
        train(settings(work, seed=1, **wrong))
    assert [path for path in (work / "output").rglob("*") if path.is_file()] == []
    claim_output(Storage.open(str(work / "output")), settings(work, seed=2))


def test_a_training_of_an_older_version_is_gone_on_with(work):
    """Settings that it did not have yet are at their defaults."""
    chosen = settings(work)
    storage = Storage.open(chosen.output)
    claim_output(storage, chosen)
    kept = json.loads(storage.read(SETTINGS_FILE))
    del kept["losses"]["gamma"], kept["ema_decay"]
    storage.write(SETTINGS_FILE, json.dumps(kept).encode())
    claim_output(storage, settings(work, ema_decay=None))
    with pytest.raises(TrainingError, match=r"losses\.gamma;"):
        claim_output(storage, settings(work, ema_decay=None, losses={"gamma": 2}))


def test_a_trained_model_restores_from_the_command_line(work, capsys):
    train(settings(work, steps=2, checkpoints={"every": 2, "export_precision": "float16"}))
    photo, output = work / "photos" / "photo-0.png", work / "restored"
    for folder in (work / "output", work / "output" / "checkpoints" / "step-00000002"):
        options = [f"--base={folder}", f"--control={folder}", "--scale=1", "--steps=2"]
        options.append("--set=sampling.min_short_side=64")
        assert main(["restore", str(photo), "--output", str(output), *options]) == 0
        with Image.open(output / "photo-0.png") as image:
            assert image.size == (64, 64)


def test_captions_come_from_tars_and_bad_photos_are_skipped_and_counted(work):
    photos = [path.read_bytes() for path in sorted((work / "photos").iterdir())]
    write_tar(work / "train.tar", [*photos[:3], b"no photo at all"])
    data = values(work)["data"]
    data["sources"] = [{"kind": "webdataset", "path": str(work / "train.tar")}]
    data["samples"]["caption_drop_probability"] = 0
    chosen = settings(work, steps=4, data=data)
    train(chosen)
    (*_, last) = read_log(Storage.open(str(work / "output")))
    # Eight samples are two epochs of four photos, one of which is bad.
    assert last["photos_skipped"] >= 2
    made = make_batch(loader_spec(chosen, Placement(torch.device("cpu"))), 0)
    numbers = [name.rpartition("/")[2] for name in made.batch.names]
    assert list(made.batch.captions) == [f"photo number {number}" for number in numbers]


def write_tar(path, photos):
    with tarfile.open(path, "w") as tar:
        for number, content in enumerate(photos):
            for suffix, data in (("png", content), ("txt", f"photo number {number}".encode())):
                member = tarfile.TarInfo(f"{number}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def test_what_killed_trainings_left_half_written_is_removed(work):
    left = work / "output" / "checkpoints" / "step-00000002" / ".weights.safetensors.1.pasd-partial"
    train(settings(work, steps=1))
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    fresh = left.with_name(".exp_avg.safetensors.2.pasd-partial")
    fresh.write_bytes(b"being written")
    os.utime(left, (time.time() - 600,) * 2)
    train(settings(work, steps=2))
    assert not left.exists()
    assert fresh.exists()


def test_published_parts_are_trained_and_nothing_else(work):
    train(settings(work, steps=1, output=str(work / "first"), ema_decay=None))
    start = {"start": "pasd", "base": str(work / "first"), "control": str(work / "first"), "carries_base": True}
    more = {"model": start, "trainable": ["control_branch", "degradation_removal", "paca"]}
    before = load_file(work / "first" / "unet" / "diffusion_pytorch_model.safetensors")
    train(settings(work, steps=2, output=str(work / "second"), ema_decay=None, **more))
    after = load_file(work / "second" / "unet" / "diffusion_pytorch_model.safetensors")
    control = load_file(work / "second" / "controlnet" / "diffusion_pytorch_model.safetensors")
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all(is_paca(name) for name in changed)
    control_before = load_file(work / "first" / "controlnet" / "diffusion_pytorch_model.safetensors")
    assert not all(torch.equal(control[name], control_before[name]) for name in control)


def test_training_from_a_stable_diffusion_folder(work):
    """As for colorization: the schedule is the training's own and not the base's, in restoring too."""
    make_plain_unet(work / "base")
    model = {"start": "stable_diffusion", "base": str(work / "base"), "schedule": {"rescale_betas_zero_snr": True}}
    data = values(work)["data"]
    data["samples"]["degradation"] = {"chain": "grayscale"}
    losses = {"prediction_type": "v_prediction", "colorfulness": 0.001}
    parts = ["control_branch", "degradation_removal", "paca"]
    train(settings(work, steps=1, model=model, trainable=parts, data=data, losses=losses))
    output = work / "output"
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == [
        "checkpoints",
        "controlnet",
        "scheduler",
        "unet",
    ]
    assert all("colorfulness" in line for line in read_log(Storage.open(str(output))))
    restorer = Restorer.from_settings(RestorationSettings(model=ModelSettings(base=work / "base", control=output)))
    scheduler = restorer.models.scheduler_config
    assert (scheduler["rescale_betas_zero_snr"], scheduler["prediction_type"]) == (True, "v_prediction")


def make_plain_unet(base):
    """Turn an untrained PASD's UNet into the plain one that Stable Diffusion has."""
    from safetensors.torch import save_file

    weights = base / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(weights).items() if not is_paca(name)}, weights)
    config = json.loads((base / "unet" / "config.json").read_text())
    del config["paca"]
    (base / "unet" / "config.json").write_text(json.dumps(config))


def test_a_training_on_photos_in_memory_resumes_exactly(work):
    data = {**values(work)["data"], "on_device_mib": 16, "group_size": 2}
    chosen = {"data": data, "batch_size": 4}
    train(settings(work, output=str(work / "through"), **chosen))
    for steps in (3, 6):
        train(settings(work, output=str(work / "halves"), steps=steps, **chosen))
    assert losses(work / "through") == losses(work / "halves")
    through, halves = (load_file(work / name / UNET_WEIGHTS) for name in ("through", "halves"))
    assert all(torch.equal(through[name], halves[name]) for name in through)


def test_a_training_stops_in_time_and_goes_on(work, monkeypatch):
    """The clock says that an hour passes between looks: there is time for two of them, and for saving."""
    clock = iter(range(0, 10**7, 3600))
    with monkeypatch.context() as patched:
        patched.setattr("pasd_batch.training.loop.time_budget.monotonic", lambda: next(clock))
        done = train(settings(work, stop_after="2.5h", checkpoints={"every": 100}))
    assert done == 2
    assert list(complete_steps(Storage.open(str(work / "output")))) == [2]
    assert (work / "output" / UNET_WEIGHTS).is_file()
    assert train(settings(work, checkpoints={"every": 100})) == 6
    train(settings(work, output=str(work / "through")))
    assert losses(work / "output") == losses(work / "through")


@pytest.mark.parametrize("written", ["9 minutes", "-1s", "0s", ".inf", "1d"])
def test_lengths_of_time_are_refused_by_name(work, written):
    with pytest.raises(ConfigError, match="stop_after"):
        settings(work, stop_after=yaml.safe_load(written))


def test_channels_last_changes_no_more_than_rounding(work):
    for name, layout in (("plain", False), ("last", True)):
        train(settings(work, output=str(work / name), steps=2, channels_last=layout))
    plain, last = losses(work / "plain"), losses(work / "last")
    assert plain == {step: pytest.approx(loss, rel=1e-4) for step, loss in last.items()}
    for file in ("unet/diffusion_pytorch_model.safetensors", "checkpoints/step-00000002/training/weights.safetensors"):
        names = [list(load_file(work / name / file)) for name in ("plain", "last")]
        assert names[0] == names[1]


def test_compiled_networks_are_those_that_the_objective_calls(work, monkeypatch):
    """Without a compiler, which would take minutes."""
    compiled, called = [], []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compiled.append(network))
    chosen = settings(work, compile=True)
    task = build_task(chosen)
    accelerate(task.networks_in_use, chosen)
    for network in compiled:
        network.register_forward_hook(lambda module, *_: called.append(module))
    index = list_photos(chosen.data.sources, chosen.data.storage)
    task.objective(BatchMaker(index, chosen.data, seed=0).make(range(2)))
    assert len(compiled) == 4
    assert set(compiled) == set(called)
