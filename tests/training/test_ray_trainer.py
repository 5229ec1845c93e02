"""Trainings on real Ray workers, batches through Ray Data."""

import contextlib
import logging
import threading
import time

import psutil
import pytest
import torch
from tiny_training import settings, values

from pasd_batch.storage.storage import Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.checkpoints import load_latest
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.trainer import train


def on_ray(work, name, *, workers, failures=0, **more):
    """A training of some steps on workers that leave Ray's two CPUs room for a loader each."""
    data = {**values(work)["data"], "loaders": 1, "loader_cpus": 0.5}
    ray = {"ray": True, "count": workers, "cpus": 0.5, "max_failures": failures}
    return settings(work, output=str(work / name), data=data, workers=ray, **more)


def losses(work, name):
    lines = read_log(Storage.open(str(work / name)))
    return [line["loss"] for line in lines if line["kind"] == "step"]


def test_two_workers_have_the_gradients_of_one_with_the_joint_batch(work, ray_cluster, one_thread):
    plain = {"optimizer": {"learning_rate": 1e-3, "clip_norm": None}, "steps": 1, "checkpoints": {"every": 1}}
    train(on_ray(work, "two", workers=2, batch_size=2, accumulation=2, **plain))
    train(settings(work, output=str(work / "one"), batch_size=4, accumulation=2, **plain))
    assert losses(work, "two") == pytest.approx(losses(work, "one"), rel=1e-5)
    # After one step AdamW's first average is a tenth of the gradient.
    two, one = (load_latest(Storage.open(str(work / name))).state.moments["exp_avg"] for name in ("two", "one"))
    assert two.keys() == one.keys()
    for name in one:
        scale = float(one[name].abs().max())
        assert torch.allclose(two[name], one[name], rtol=1e-4, atol=1e-5 * scale + 1e-9), name


def test_a_killed_worker_is_started_again_and_trains_as_this_process_does(work, ray_cluster, one_thread, caplog):
    train(settings(work, output=str(work / "here"), steps=10))
    killed = []
    # In the middle of writing the second checkpoint: the first one is the last that is whole.
    moment = work / "ray" / "checkpoints" / "step-00000004" / "training" / "weights.safetensors"
    killer = threading.Thread(target=kill_worker_when_there, args=(moment, killed), daemon=True)
    killer.start()
    with caplog.at_level(logging.INFO):
        train(on_ray(work, "ray", workers=1, failures=1, steps=10))
    assert killed
    assert losses(work, "ray") == losses(work, "here")
    assert "step 10 of 10" in caplog.text


def kill_worker_when_there(path, killed):
    """SIGKILL of the training's worker as soon as a file has appeared."""
    deadline = time.monotonic() + 300
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)


def test_an_error_of_ours_comes_out_as_itself(work, ray_cluster):
    for photo in (work / "photos").iterdir():
        photo.write_bytes(b"no photo any more")
    with pytest.raises(TrainingError, match="photos in a row could not be used"):
        train(on_ray(work, "broken", workers=1))
