from pathlib import Path

import pytest
import torch
from moto.server import ThreadedMotoServer
from tiny_training import settings

from pasd_batch.storage.storage import Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.checkpoints import checkpoint_folder, complete_steps, load_latest, prune, save_checkpoint
from pasd_batch.training.loop.stepping import StepState
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.trainer import train


def state(value):
    def tensors():
        return {"layer.weight": torch.full((2, 3), float(value))}

    return StepState(tensors(), {"exp_avg": tensors(), "exp_avg_sq": tensors()}, {}, {"updates": value, "unsound": 0})


def save(storage, step):
    save_checkpoint(storage, step, state(step), {"skipped": step}, [("unet/config.json", b"{}")])


@pytest.fixture
def local(tmp_path):
    return Storage.open(str(tmp_path))


def test_the_checkpoint_with_most_steps_is_resumed_from(local):
    assert load_latest(local) is None
    for step in (2, 10, 9):
        save(local, step)
    found = load_latest(local)
    assert found.step == 10
    assert found.facts == {"skipped": 10}
    assert found.state.numbers["updates"] == 10
    for group in (found.state.weights, *found.state.moments.values()):
        assert torch.equal(group["layer.weight"], torch.full((2, 3), 10.0))


def test_a_checkpoint_without_its_marker_is_not_looked_at_and_then_removed(local):
    save(local, 2)
    save(local, 4)
    local.delete(f"{checkpoint_folder(4)}/checkpoint.json")
    assert load_latest(local).step == 2
    prune(local, keep=3)
    assert {path.split("/")[1] for path in local.list("checkpoints")} == {"step-00000002"}


def test_only_the_newest_are_kept(local):
    for step in (1, 2, 3, 4):
        save(local, step)
    prune(local, keep=2)
    assert sorted(complete_steps(local)) == [3, 4]
    folders = sorted(path.name for path in Path(local.uri("checkpoints")).iterdir())
    assert folders == ["step-00000003", "step-00000004"], "no empty folders are left"


def test_a_damaged_checkpoint_is_named_with_the_remedy(local):
    save(local, 3)
    local.delete(f"{checkpoint_folder(3)}/training/exp_avg.safetensors")
    with pytest.raises(TrainingError, match=r"step-00000003 is not whole.*delete its checkpoint\.json"):
        load_latest(local)


@pytest.fixture
def bucket(monkeypatch):
    import boto3

    from pasd_batch.storage.s3_filesystem import CheckedS3FileSystem

    # Open file systems are kept by fsspec, with the address of the server they were opened for.
    CheckedS3FileSystem.clear_instance_cache()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="models")
    yield "s3://models"
    server.stop()
    CheckedS3FileSystem.clear_instance_cache()


def test_checkpoints_on_object_storage(bucket):
    storage = Storage.open(f"{bucket}/training")
    for step in (1, 2, 3):
        save(storage, step)
        prune(storage, keep=2)
    assert sorted(complete_steps(storage)) == [2, 3]
    assert load_latest(storage).step == 3


def test_a_whole_training_into_object_storage(bucket, work):
    for steps in (2, 3):
        train(settings(work, steps=steps, output=f"{bucket}/run"))
    storage = Storage.open(f"{bucket}/run")
    assert [line["step"] for line in read_log(storage)] == [1, 2, 3]
    assert storage.exists("unet/diffusion_pytorch_model.safetensors")
