"""`pasd-batch weights`: what a configuration's weights are, and a mirror that serves instead of their sources."""

import hashlib
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from hub_server import HubServer

from pasd_batch.cli import main
from pasd_batch.config.base import Settings, load_yaml, with_overrides
from pasd_batch.config.marks import Weights
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import WeightsPath
from pasd_batch.metrics import weights as metric_weights
from pasd_batch.metrics.weight_files import WeightFile
from pasd_batch.storage.storage import Storage
from pasd_batch.weights_by_name import on_this_machine
from pasd_batch.weights_mirror import Mirror

BASE = {f"{part}/config.json": b"{}" for part in ("vae", "text_encoder", "tokenizer", "scheduler")} | {
    "vae/diffusion_pytorch_model.safetensors": b"vae" * 1000,
    "text_encoder/model.safetensors": b"text",
    "unet/diffusion_pytorch_model.safetensors": b"not read",
}
CONTROL = {
    "pasd/checkpoint-100000/unet/diffusion_pytorch_model.safetensors": b"unet",
    "pasd/checkpoint-100000/controlnet/diffusion_pytorch_model.safetensors": b"branch",
    "pasd/checkpoint-100000/scaler.pt": b"not read",
}
CLIP = hashlib.sha256(b"clip").hexdigest()


@pytest.fixture
def config(tmp_path, hub: HubServer, monkeypatch) -> Path:
    """A configuration in the published names, for which the server stands in."""
    monkeypatch.setenv("PASD_BATCH_CACHE", str(tmp_path / "cache"))
    hub.push("stable-diffusion-v1-5/stable-diffusion-v1-5", BASE)
    hub.push("yangtao9009/PASD", CONTROL)
    metrics = {"musiq_koniq_ckpt-e95806b9.pth": b"musiq", "cfanet_nr_koniq_res50-9a73138b.pth": b"topiq"}
    hub.push("chaofengc/IQA-PyTorch-Weights", metrics | {"other.pth": b"not read"})
    hub.push("timm/resnet50.a1_in1k", {"model.safetensors": b"resnet", "config.json": b"{}"})
    values = {
        "manifest": {"path": "photos.csv"},
        "output": {"root": "run"},
        "restoration": {
            "model": {
                "base": "hf://stable-diffusion-v1-5/stable-diffusion-v1-5",
                "control": "hf://yangtao9009/PASD/pasd/checkpoint-100000",
            }
        },
        "metrics": {"no_reference": ["musiq", "topiq_nr", "piqe"], "full_reference": []},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def settings_of(config: Path, overrides: list[str]) -> RunSettings:
    return RunSettings.parse(with_overrides(load_yaml(config), overrides, RunSettings))


def files_below(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_mirror_in_a_folder_has_what_is_needed_and_nothing_else_and_serves_in_its_place(
    config, hub, tmp_path, capsys
):
    assert main(["weights", "fetch", str(config), "--to", str(tmp_path / "mirror")]) == 0
    printed = capsys.readouterr()
    overrides = printed.out.split()
    assert [line.partition("=")[0] for line in overrides] == [
        "restoration.model.base",
        "restoration.model.control",
        "metrics.weights_dir",
    ]
    assert "restoration.model.base: 6 files, 0.0 MB, from hf://stable-diffusion-v1-5/" in printed.err
    hub.stop()
    settings = settings_of(config, overrides)
    here = on_this_machine(settings)
    base, control, metrics = here.restoration.model.base, here.restoration.model.control, here.metrics.weights_dir
    assert base.name.startswith("stable-diffusion-v1-5--stable-diffusion-v1-5@")
    assert files_below(base).keys() - {"weights.json"} == {name for name in BASE if not name.startswith("unet/")}
    assert files_below(control)["controlnet/diffusion_pytorch_model.safetensors"] == b"branch"
    assert "scaler.pt" not in files_below(control)
    found = files_below(metrics)
    commit = found["huggingface/hub/models--timm--resnet50.a1_in1k/refs/main"].decode()
    assert found[f"huggingface/hub/models--timm--resnet50.a1_in1k/snapshots/{commit}/model.safetensors"] == b"resnet"
    assert found["hub/pyiqa/cfanet_nr_koniq_res50-9a73138b.pth"] == b"topiq"
    assert "hub/pyiqa/other.pth" not in found
    assert main(["weights", "check", str(config), *overrides]) == 0
    assert capsys.readouterr().out.count("on this machine") == 3


def test_a_mirror_is_made_again_without_copying_what_is_there(config, tmp_path, capsys, monkeypatch):
    command = ["weights", "fetch", str(config), "--to", str(tmp_path / "mirror")]
    assert main(command) == 0
    first = capsys.readouterr().out
    uploaded = []
    monkeypatch.setattr(Storage, "upload", lambda storage, path, source: uploaded.append(path))
    assert main(command) == 0
    assert capsys.readouterr().out == first
    assert uploaded == []


def test_a_mirror_in_a_bucket_is_used_by_its_address(config, hub, s3, capsys):
    assert main(["weights", "fetch", str(config), "--to", "s3://archive/weights", "metrics.no_reference=[]"]) == 0
    overrides = capsys.readouterr().out.split()
    assert overrides[0].startswith("restoration.model.base=s3://archive/weights/stable-diffusion-v1-5--")
    hub.stop()
    here = on_this_machine(settings_of(config, [*overrides, "metrics.no_reference=[]"]))
    assert files_below(here.restoration.model.base)["text_encoder/model.safetensors"] == b"text"
    assert "weights.json" not in files_below(here.restoration.model.base)


def test_check_says_what_there_is_and_whether_it_is_on_this_machine(config, hub, capsys):
    command = ["weights", "check", str(config), "metrics.no_reference=[]"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "restoration.model.base: hf://stable-diffusion-v1-5/stable-diffusion-v1-5: 6 files, 0.0 MB, "
        "not fetched to this machine yet",
        "restoration.model.control: hf://yangtao9009/PASD/pasd/checkpoint-100000: 2 files, 0.0 MB, "
        "not fetched to this machine yet",
    ]
    assert hub.sent == {}
    on_this_machine(settings_of(config, ["metrics.no_reference=[]"]))
    assert main(command) == 0
    assert capsys.readouterr().out.count("on this machine\n") == 2


def test_check_tells_of_a_gated_repository_though_its_files_are_listed(config, hub, capsys):
    hub.repositories["yangtao9009/PASD"].gated = True
    assert main(["weights", "check", str(config), "metrics.no_reference=[]"]) == 1
    told = capsys.readouterr().out
    assert "restoration.model.control: hf://yangtao9009/PASD/pasd/checkpoint-100000: the repository is gated" in told
    assert hub.sent == {}


def test_check_names_all_that_is_missing_and_ends_with_1(config, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    overrides = [
        "restoration.model.base=hf://someone/nothing",
        f"restoration.model.control={tmp_path / 'empty'}",
        f"metrics.weights_dir={tmp_path / 'empty'}",
    ]
    assert main(["weights", "check", str(config), *overrides]) == 1
    base, control, metrics = capsys.readouterr().out.splitlines()
    assert base.startswith("restoration.model.base: hf://someone/nothing: ")
    assert "check the name, or set HF_TOKEN" in base
    assert "is not a folder with unet/ controlnet/ scheduler/" in control
    assert "lacks hub/pyiqa/musiq_koniq_ckpt-e95806b9.pth" in metrics


def test_check_tells_of_metrics_without_a_folder(config, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch" / "hub"))
    assert main(["weights", "check", str(config), "metrics.no_reference=[musiq]"]) == 1
    assert f"lack {tmp_path}/torch/hub/pyiqa/musiq_koniq_ckpt-e95806b9.pth" in capsys.readouterr().out
    (tmp_path / "torch" / "hub" / "pyiqa").mkdir(parents=True)
    (tmp_path / "torch" / "hub" / "pyiqa" / "musiq_koniq_ckpt-e95806b9.pth").touch()
    assert main(["weights", "check", str(config), "metrics.no_reference=[musiq]"]) == 0


def test_a_published_file_that_is_not_what_it_should_be_is_refused(config, hub, capsys, monkeypatch, tmp_path):
    hub.push("someone/clip", {"RN50.pt": b"changed"})
    file = WeightFile("hub/clip", "RN50.pt", CLIP)
    monkeypatch.setattr(WeightFile, "published", "hf://someone/clip/RN50.pt")
    needs = metric_weights.MetricNeeds((file,))
    monkeypatch.setitem(metric_weights.METRIC_NEEDS, "clipiqa", needs)
    command = ["weights", "fetch", str(config), "--to", str(tmp_path / "mirror"), "metrics.no_reference=[clipiqa]"]
    assert main(command) == 1
    assert "its SHA-256 is not" in capsys.readouterr().err
    hub.push("someone/clip", {"RN50.pt": b"clip"})
    assert main(command) == 0
    assert (tmp_path / "mirror/metrics/hub/clip/RN50.pt").read_bytes() == b"clip"


def test_what_cannot_be_had_keeps_nothing_else_from_being_fetched(config, hub, tmp_path, capsys):
    overrides = ["restoration.model.base=hf://someone/nothing"]
    hub.repositories.pop("timm/resnet50.a1_in1k")
    command = ["weights", "fetch", str(config), "--to", str(tmp_path / "mirror"), *overrides]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert [line.partition("=")[0] for line in printed.out.split()] == ["restoration.model.control"]
    assert "restoration.model.control: 2 files" in printed.err
    count, base, metrics = (line for line in printed.err.splitlines() if line.startswith(("not fetched", "- ")))
    assert count == "not fetched: 2; all else is there, the same command goes on"
    assert base.startswith("- restoration.model.base: hf://someone/nothing: ")
    assert metrics.startswith("- metrics.weights_dir: hf://timm/resnet50.a1_in1k")
    assert (tmp_path / "mirror/metrics/hub/pyiqa/musiq_koniq_ckpt-e95806b9.pth").read_bytes() == b"musiq"
    hub.push("timm/resnet50.a1_in1k", {"model.safetensors": b"resnet"})
    hub.push("someone/nothing", BASE)
    assert main(command) == 0
    assert len(capsys.readouterr().out.split()) == 3


@pytest.mark.parametrize("action", ["check", "fetch"])
def test_the_embedded_model_is_told(tmp_path, capsys, action):
    config = tmp_path / "run.yaml"
    config.write_text("manifest: {path: photos}\noutput: {root: run}\nmetrics: {no_reference: []}\n")
    place = ["--to", str(tmp_path / "mirror")] if action == "fetch" else []
    assert main(["weights", action, str(config), *place]) == 0
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("the embedded model") == 2
    assert not (tmp_path / "mirror").exists()


class Adapter(Settings):
    path: Annotated[WeightsPath, Weights()]
    weight: float = 1.0


class Adapted(Settings):
    adapters: tuple[Adapter, ...] = ()


def test_entries_of_a_list_are_given_as_the_whole_list(hub, tmp_path):
    hub.push("someone/loras", {"one.safetensors": b"one"})
    (tmp_path / "two.safetensors").write_bytes(b"two")
    named = {"path": "hf://someone/loras/one.safetensors", "weight": 0.5}
    settings = Adapted.parse({"adapters": [named, {"path": str(tmp_path / "two.safetensors")}]})
    mirror = Mirror.open(str(tmp_path / "mirror"), StorageSettings())
    mirror.copy_all(settings, lambda copied: None)
    (override,) = mirror.overrides(settings)
    moved = Adapted.parse(with_overrides({}, [override], Adapted))
    assert [each.weight for each in moved.adapters] == [0.5, 1.0]
    assert [Path(each.path).read_bytes() for each in moved.adapters] == [b"one", b"two"]
    assert all(str(each.path).startswith(str(tmp_path / "mirror")) for each in moved.adapters)


def test_the_weights_of_a_training_are_looked_at_too(hub, tmp_path, capsys):
    hub.push("someone/sd", BASE)
    config = Path(__file__).parents[2] / "configs" / "train_realisr.yaml"
    assert main(["weights", "check", str(config), "model.base=hf://someone/sd"]) == 0
    assert "model.base: hf://someone/sd: 7 files" in capsys.readouterr().out
    assert main(["weights", "fetch", str(config), "model.base=hf://someone/sd", "--to", str(tmp_path / "mirror")]) == 0
    assert capsys.readouterr().out.startswith(f"model.base={tmp_path}/mirror/someone--sd@")
