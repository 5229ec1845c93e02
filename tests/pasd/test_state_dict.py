"""Weight files are read whole or refused with a reason."""

import json

import pytest
import torch
from pickled_trap import Trap
from safetensors.torch import save_file
from torch import nn

from pasd_batch.pasd.state_dict import CheckpointError, assign_strictly, read_weights

NAME = "diffusion_pytorch_model"
TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def read(folder, *, allow_pickle=False):
    return read_weights(folder, allow_pickle=allow_pickle)


def write_shards(folder, shards):
    for name, tensors in shards.items():
        save_file(tensors, folder / name)
    weight_map = {tensor: name for name, tensors in shards.items() for tensor in tensors}
    (folder / f"{NAME}.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_one_file(tmp_path):
    save_file(TENSORS, tmp_path / f"{NAME}.safetensors")
    torch.testing.assert_close(read(tmp_path), TENSORS, rtol=0, atol=0)


def test_shards(tmp_path):
    write_shards(
        tmp_path, {f"{NAME}-{number}.safetensors": {name: TENSORS[name]} for number, name in enumerate(TENSORS)}
    )
    torch.testing.assert_close(read(tmp_path), TENSORS, rtol=0, atol=0)


def test_missing_shard_is_named(tmp_path):
    write_shards(
        tmp_path, {f"{NAME}-{number}.safetensors": {name: TENSORS[name]} for number, name in enumerate(TENSORS)}
    )
    (tmp_path / f"{NAME}-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=f"{NAME}-1.safetensors"):
        read(tmp_path)


def test_shard_outside_the_folder_is_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(TENSORS, tmp_path / "elsewhere.safetensors")
    index = {"weight_map": {"weight": "../elsewhere.safetensors"}}
    (folder / f"{NAME}.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="elsewhere"):
        read(folder)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"weight_map": 3}'])
def test_damaged_index(tmp_path, text):
    (tmp_path / f"{NAME}.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        read(tmp_path)


def test_truncated_file_is_named(tmp_path):
    path = tmp_path / f"{NAME}.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match=rf"{NAME}\.safetensors: damaged or cut short"):
        read(tmp_path)


def test_empty_folder(tmp_path):
    with pytest.raises(CheckpointError, match=rf"no weights found; expected {NAME}\.safetensors"):
        read(tmp_path)


def test_pickle_is_refused_with_the_remedy(tmp_path):
    torch.save(TENSORS, tmp_path / f"{NAME}.bin")
    with pytest.raises(CheckpointError, match="allow_pickle"):
        read(tmp_path)


def test_allowed_pickle(tmp_path):
    torch.save(TENSORS, tmp_path / f"{NAME}.bin")
    torch.testing.assert_close(read(tmp_path, allow_pickle=True), TENSORS, rtol=0, atol=0)


def test_safetensors_win_over_a_pickle(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / f"{NAME}.bin")
    save_file(TENSORS, tmp_path / f"{NAME}.safetensors")
    assert set(read(tmp_path, allow_pickle=True)) == set(TENSORS)


def test_pickled_program_does_not_run(tmp_path):
    torch.save({"weight": Trap(tmp_path / "sprung")}, tmp_path / f"{NAME}.bin")
    with pytest.raises(CheckpointError, match="convert it to safetensors"):
        read(tmp_path, allow_pickle=True)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}])
def test_pickle_of_something_else(tmp_path, content):
    torch.save(content, tmp_path / f"{NAME}.bin")
    with pytest.raises(CheckpointError, match="expected tensors by name"):
        read(tmp_path, allow_pickle=True)


def test_truncated_pickle(tmp_path):
    path = tmp_path / f"{NAME}.bin"
    torch.save(TENSORS, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        read(tmp_path, allow_pickle=True)


def test_every_difference_is_listed():
    tensors = {"weight": torch.zeros(3, 3), "gain": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        assign_strictly(nn.Linear(3, 2), tensors, source="somewhere")
    message = str(caught.value)
    assert "somewhere: does not fit Linear" in message
    assert "1 missing:\n    bias" in message
    assert "1 left over:\n    gain" in message
    assert "1 misshapen:\n    weight: [3, 3] instead of [2, 3]" in message


def test_long_lists_are_cut():
    tensors = dict(TENSORS) | {f"extra.{number}": torch.zeros(1) for number in range(25)}
    with pytest.raises(CheckpointError, match=r"25 left over:(\n    extra\.\d+){20}\n    \.\.\. and 5 more$"):
        assign_strictly(nn.Linear(3, 2), tensors, source="somewhere")


def test_assigned_tensors_are_those_of_the_file():
    with torch.device("meta"):
        layer = nn.Linear(3, 2)
    assign_strictly(layer, TENSORS, source="somewhere")
    torch.testing.assert_close(layer(torch.ones(3)), torch.tensor([4.0, 13.0]))
