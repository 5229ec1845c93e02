"""Folders that cannot be loaded, and what the message says of each."""

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from pasd_batch.config.describe import DescribeSettings
from pasd_batch.describe.loading import load_describers
from pasd_batch.describe.model_folder import DescriberUnavailable


def load(name, folder, **settings):
    values = {name: {"weights": str(folder), **settings}}
    return load_describers(DescribeSettings.parse(values), device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture
def copy(describer_folder, tmp_path):
    def copied(kind):
        return shutil.copytree(describer_folder(kind), tmp_path / kind)

    return copied


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_none_is_loaded_unless_asked_for():
    assert load_describers(DescribeSettings(), device=torch.device("cpu"), dtype=torch.float32) == ()


def test_they_come_in_the_order_of_the_prompt(describer_folder):
    folders = {"classify": "resnet", "detect": "yolos", "caption": "blip"}
    values = {name: {"weights": str(describer_folder(kind))} for name, kind in folders.items()}
    loaded = load_describers(DescribeSettings.parse(values), device=torch.device("cpu"), dtype=torch.float32)
    assert [each.name for each in loaded] == ["caption", "detect", "classify"]


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(DescriberUnavailable, match=f"{tmp_path}: no config.json there; name a folder as"):
        load("classify", tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("classify", "blip", "AutoModelForImageClassification cannot load it"),
        ("detect", "resnet", "AutoModelForObjectDetection cannot load it"),
        ("caption", "yolos", "AutoModelForImageTextToText cannot load it"),
    ],
)
def test_a_model_of_another_kind_is_refused(name, kind, told, describer_folder):
    with pytest.raises(DescriberUnavailable, match=told):
        load(name, describer_folder(kind))


def test_pickled_weights_are_refused_unless_allowed_and_then_give_the_same(copy, describer_folder):
    folder = copy("resnet")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    with pytest.raises(DescriberUnavailable, match=r"no .safetensors file in it, but no weights at all"):
        load("classify", folder)
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(DescriberUnavailable, match=r"but pytorch_model.bin; .* allow_pickle"):
        load("classify", folder)
    (pickled,) = load("classify", folder, allow_pickle=True)
    (safe,) = load("classify", describer_folder("resnet"))
    for one, other in zip(pickled.model.network.parameters(), safe.model.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_that_lack_tensors_are_refused(copy):
    folder = copy("resnet")
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.1.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        DescriberUnavailable, match=r"1 of ResNetForImageClassification's tensors .*classifier.1.weight"
    ):
        load("classify", folder)


def test_damaged_weights_are_refused(copy):
    folder = copy("resnet")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(DescriberUnavailable, match=f"{folder}: its weights are damaged or cut short"):
        load("classify", folder)


def test_a_folder_without_an_image_processor_is_refused(copy):
    folder = copy("resnet")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(DescriberUnavailable, match="AutoImageProcessor cannot load it"):
        load("classify", folder)


def test_code_beside_a_model_is_never_run(copy, tmp_path):
    folder = copy("resnet")
    trap = tmp_path / "sprung"
    (folder / "code.py").write_text(f"open({str(trap)!r}, 'w')\nclass Net: pass\n")
    edit(
        folder / "config.json",
        model_type="unheard-of",
        auto_map={"AutoConfig": "code.Net", "AutoModelForImageClassification": "code.Net"},
    )
    with pytest.raises(DescriberUnavailable, match="which needs no code of its own"):
        load("classify", folder)
    assert not trap.exists()


def test_nothing_is_fetched(copy, monkeypatch):
    folder = copy("yolos")
    (folder / "preprocessor_config.json").unlink()

    def refuse(*_, **__):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(DescriberUnavailable) as refused:
        load("detect", folder)
    assert "a connection was tried" not in str(refused.value)


def test_a_pointer_of_git_lfs_is_called_one(describer_folder, tmp_path):
    folder = shutil.copytree(describer_folder("resnet"), tmp_path / "resnet")
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DescriberUnavailable, match=r"model\.safetensors is a pointer of Git LFS"):
        load("classify", folder)
