"""Settings of weights by name: what they need, where it comes to lie, and that what is pinned stays."""

from pathlib import Path
from typing import Annotated

import pytest
import torch

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import Weights
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import WeightsPath
from pasd_batch.pasd.model_identity import model_fingerprint
from pasd_batch.storage.errors import NotFound
from pasd_batch.weights_by_name import UnfitWeights, on_this_machine, pinned, used_settings, with_pins

UNUSED = {
    "README.md": b"model card",
    "v1-5-pruned.safetensors": b"the whole model, in one file",
    "vae/diffusion_pytorch_model.fp16.safetensors": b"another precision",
    "vae/diffusion_pytorch_model.bin": b"a pickle",
    "safety_checker/model.safetensors": b"not for us",
}


def named(base: str, control: str) -> RestorationSettings:
    return RestorationSettings.parse({"model": {"base": base, "control": control, "device": "cpu"}})


def test_a_model_on_the_hub_is_the_same_as_one_in_a_folder_and_only_what_is_read_is_fetched(hub, tiny_model_folder):
    hub.push_folder("someone/sd", tiny_model_folder, more=UNUSED)
    hub.push_folder("someone/pasd", tiny_model_folder, below="pasd/checkpoint-1/")
    here = on_this_machine(named("hf://someone/sd", "hf://someone/pasd/pasd/checkpoint-1"))
    assert isinstance(here.model.base, Path)
    folder = str(tiny_model_folder)
    assert model_fingerprint(here) == model_fingerprint(named(folder, folder))
    assert not UNUSED.keys() & hub.sent.keys()
    assert not any(name.startswith(("unet/", "controlnet/")) for name in hub.sent), "the base's own UNet is not read"
    assert here.decisive() == named(folder, folder).decisive()
    from pasd_batch.pasd.models import load_models

    assert load_models(here.model).pixel_multiple == 64


class Describer(Settings):
    weights: Annotated[WeightsPath | None, Weights()] = None
    threshold: float = 0.5


class Made(Settings):
    model: ModelSettings = ModelSettings()
    describers: tuple[Describer, ...] = ()


def test_settings_that_nobody_has_heard_of_are_fetched_because_they_are_marked(hub):
    files = {
        "config.json": b"{}",
        "model.safetensors": b"weights",
        "pytorch_model.bin": b"pickle",
        "onnx/model.onnx": b"",
    }
    commit = hub.push("someone/blip", files)
    made = Made(describers=(Describer(), Describer(weights="hf://someone/blip", threshold=0.1)))
    here = on_this_machine(made)
    assert here.describers[0] == made.describers[0]
    assert (here.describers[1].weights / "model.safetensors").read_bytes() == b"weights"
    assert hub.sent == {"config.json": 1, "model.safetensors": 1}
    assert pinned(made) == {"hf://someone/blip": f"hf://someone/blip@{commit}"}


def test_what_is_pinned_stays_when_the_branch_moves(hub):
    hub.push("someone/blip", {"model.safetensors": b"first"})
    made = Made(describers=(Describer(weights="hf://someone/blip"),))
    pins = pinned(made)
    hub.push("someone/blip", {"model.safetensors": b"second"})
    path = on_this_machine(with_pins(made, pins)).describers[0].weights
    assert (path / "model.safetensors").read_bytes() == b"first"
    assert pinned(with_pins(made, pins)) == {}


def test_a_file_address_is_a_local_path_whatever_schemes_photos_may_have(tmp_path):
    (tmp_path / "one.safetensors").write_bytes(b"one")
    made = Made(describers=(Describer(weights=(tmp_path / "one.safetensors").as_uri()),))
    here = on_this_machine(made, StorageSettings(allowed_schemes=frozenset({"s3"})))
    assert here.describers[0].weights == tmp_path / "one.safetensors"
    assert pinned(made) == {}


def test_local_paths_are_left_alone_and_nothing_is_pinned(tmp_path):
    made = Made(describers=(Describer(weights=tmp_path / "there or not"),))
    assert on_this_machine(made) == made
    assert pinned(made) == {}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"unet/model.safetensors": b"x"},
            r"model.base: hf://someone/other@\w+: is not a folder with vae/ text_encoder/",
        ),
        (
            {"a.md": b"", "nested/vae/model.safetensors": b""},
            r"it has a.md, nested/; name the folder within it that is",
        ),
        ({"vae/model.bin": b"x", "vae/config.json": b"{}"}, r"has pickles \(.bin\) alone, .* allow_pickle"),
    ],
)
def test_another_layout_is_told_with_what_was_expected_and_found(hub, files, told):
    hub.push("someone/other", files)
    with pytest.raises(UnfitWeights, match=told):
        on_this_machine(named("hf://someone/other", "/somewhere"))


def test_an_error_names_the_setting(hub):
    with pytest.raises(NotFound, match=r"model.control: hf://someone/nothing: .* no such repository"):
        on_this_machine(named("/somewhere", "hf://someone/nothing"))


METRICS = {
    "hub/pyiqa/musiq_koniq_ckpt-e95806b9.pth": b"musiq",
    "hub/pyiqa/other.pth": b"not asked for",
    "hub/checkpoints/alexnet-owt-7be5be79.pth": b"alexnet",
    "huggingface/hub/models--timm--resnet50.a1_in1k/refs/main": b"0" * 40,
    f"huggingface/hub/models--timm--resnet50.a1_in1k/snapshots/{'0' * 40}/model.safetensors": b"resnet",
    "hub/pyiqa/cfanet_nr_koniq_res50-9a73138b.pth": b"topiq",
}


def test_of_the_metrics_weights_those_of_the_chosen_ones_are_fetched(hub):
    hub.push("someone/metrics", METRICS)
    settings = MetricsSettings(
        no_reference=("musiq", "topiq_nr", "piqe"), full_reference=(), weights_dir="hf://someone/metrics"
    )
    folder = on_this_machine(settings).weights_dir
    found = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}
    assert found == METRICS.keys() - {"hub/pyiqa/other.pth", "hub/checkpoints/alexnet-owt-7be5be79.pth"}
    lacking = settings.model_copy(update={"full_reference": ("lpips",)})
    with pytest.raises(UnfitWeights, match=r"lacks hub/pyiqa/LPIPS_v0.1_alex-df73285e.pth; `pasd-batch weights fetch`"):
        on_this_machine(lacking)


def test_what_is_not_used_is_not_fetched(hub):
    run = {
        "mode": "score",
        "manifest": {"path": "m.csv"},
        "output": {"root": "r"},
        "restoration": {"model": {"base": "hf://someone/nothing", "control": "hf://someone/nothing"}},
        "metrics": {"no_reference": ["piqe"], "full_reference": [], "weights_dir": "hf://someone/nothing"},
    }
    settings = RunSettings.parse(run)
    assert on_this_machine(settings) == settings
    assert list(used_settings(settings)) == []
    assert hub.asked == []


def test_a_describer_by_name_says_what_it_says_from_its_folder(hub, describer_folder):
    folder = describer_folder("resnet")
    hub.push_folder("someone/resnet", folder, more={"README.md": b"model card", "tf_model.h5": b"another library's"})
    here = on_this_machine(RestorationSettings.parse({"describe": {"classify": {"weights": "hf://someone/resnet"}}}))
    assert here.describe.classify is not None
    there = RestorationSettings.parse({"describe": {"classify": {"weights": str(folder)}}})
    assert model_fingerprint(here.describe) == model_fingerprint(there.describe)
    assert not {"README.md", "tf_model.h5"} & hub.sent.keys()
    from pasd_batch.describe.classification import Classifier
    from pasd_batch.describe.vision_model import Placement

    loaded = Classifier.load(here.describe.classify, Placement(torch.device("cpu"), torch.float32, 1))
    assert loaded.model.class_names[1] == "golden retriever"


def test_a_run_that_describes_needs_its_describers_alone(describer_folder):
    values = {"manifest": {"path": "a.csv"}, "output": {"root": "run", "manifest": "b.parquet"}, "mode": "describe"}
    model = {"base": "hf://someone/sd", "control": "hf://someone/pasd"}
    classify = {"weights": str(describer_folder("resnet"))}
    settings = RunSettings.parse(values | {"restoration": {"model": model, "describe": {"classify": classify}}})
    assert [each.name for each in used_settings(settings) if each.value is not None] == [
        "restoration.describe.classify.weights"
    ]
    assert pinned(settings) == {}
