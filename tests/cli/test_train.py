"""Trainings from the command line: to the end, interrupted, resumed, and refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from skimage import data

from pasd_batch.cli import main
from pasd_batch.storage.storage import Storage
from pasd_batch.training.loop.training_log import read_log

PATIENCE = 400.0


@pytest.fixture
def work(tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two photos and the configuration of a training of a tiny model on them."""
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.fromarray(np.asarray(data.astronaut())[: 64 + number, :64]).save(tmp_path / f"photos/{number}.png")
    unet = {"widths": [16, 16], "text_attention": [False, True], "heads": 2, "norm_groups": 4, "layers_per_block": 1}
    settings = {
        "output": "trained",
        "steps": 2,
        "batch_size": 1,
        "data": {
            "sources": [{"kind": "photos", "path": "photos"}],
            "samples": {"crop_size": 32, "smallest_side": 32},
            "loaders": 1,
            "loader_cpus": 0.5,
        },
        "model": {
            "start": "scratch",
            "vae": str(tiny_model_folder),
            "unet": unet,
            "text_encoder": {"width": 16},
            "branch": {"conditioning_embedding_out_channels": [8, 8, 8, 8]},
        },
        "workers": {"ray": False, "cpus": 0.5, "max_failures": 0},
        "checkpoints": {"every": 2},
        "log": {"every": 1},
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steps(output: Path) -> list[int]:
    return [line["step"] for line in read_log(Storage.open(str(output))) if line["kind"] == "step"]


def test_a_training_ends_with_a_model_and_goes_on_with_more_steps(work, capsys):
    for number in (2, 3):
        assert main(["train", "train.yaml", f"steps={number}", "data.loaders=0"]) == 0
        assert f"{number} steps done; the model is in trained" in capsys.readouterr().out
    assert steps(work / "trained") == [1, 2, 3]
    assert (work / "trained" / "unet" / "diffusion_pytorch_model.safetensors").exists()


@pytest.mark.parametrize(("number", "ray"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_training_names_the_command_that_resumes_it(work, number, ray, capsys):
    """On Ray with relative paths too, whose workers run in folders of their own."""
    command = ["train", "train.yaml", "steps=100000", f"workers.ray={'true' if ray else 'false'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pasd_batch.cli.command_line", *command],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_ADDRESS": ""},
    )
    deadline = time.monotonic() + PATIENCE
    while not (work / "trained/checkpoints/step-00000002/checkpoint.json").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if ray:
        process.send_signal(number)
    else:
        # As a terminal or a service manager does: to the loaders as well.
        os.killpg(process.pid, number)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, told
    assert f"ended by {number.name}; pasd-batch {' '.join(command)} goes on from the last checkpoint" in told
    assert "Traceback" not in told
    done = max(steps(work / "trained"))
    assert main(["train", "train.yaml", f"steps={done + 1}", "data.loaders=0"]) == 0
    assert steps(work / "trained") == list(range(1, done + 2))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.yaml"], "none.yaml: no such configuration file"),
        (["train.yaml", "shard_sise=3"], "shard_sise: unknown setting"),
        (["train.yaml", "trains=upscaler"], "must be pasd or vae"),
        (["train.yaml", "data.sources=[{kind: photos, path: empty}]"], "empty: no manifest"),
        (["train.yaml", "model.vae=nowhere"], "there is no such VAE; train one first"),
        (["train.yaml", "device=cuda:99"], "(setting device)"),
        (["train.yaml", "output=gopher://x/y"], "gopher"),
        (["train.yaml", "--ray-address", "1.2.3.4:5"], "workers.ray is false"),
    ],
)
def test_what_cannot_be_done_is_a_message(work, capsys, arguments, complaint):
    (work / "empty").mkdir()
    assert main(["train", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_another_training_in_the_output_is_not_gone_on_with(work, capsys):
    assert main(["train", "train.yaml", "steps=1", "data.loaders=0"]) == 0
    assert main(["train", "train.yaml", "steps=1", "data.loaders=0", "optimizer.learning_rate=0.1"]) == 2
    assert "optimizer.learning_rate; choose another output" in capsys.readouterr().err


def test_a_ray_that_cannot_be_joined_is_a_message(work, monkeypatch, capsys):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    assert main(["train", "train.yaml", "workers.ray=true"]) == 2
    assert "Ray's job API" in capsys.readouterr().err
    assert not (work / "trained").exists()
