import hashlib
from pathlib import Path

import pyiqa
import pytest
from pyiqa.default_model_configs import DEFAULT_CONFIGS

from pasd_batch.metrics.weights import METRIC_NEEDS, MetricNeeds, WeightFile, WeightFolders

SOURCES = "\n".join(path.read_text() for path in (Path(pyiqa.__file__).parent / "archs").glob("*.py"))


@pytest.mark.parametrize("name", METRIC_NEEDS)
def test_the_table_names_what_the_installed_pyiqa_reads(name):
    assert name in DEFAULT_CONFIGS
    for file in METRIC_NEEDS[name].files:
        if file.folder == "hub/pyiqa":
            assert f"'{file.name}'" in SOURCES
        if file.folder == "hub/clip":
            assert f"{file.sha256}/{file.name}'" in SOURCES


def test_the_table_names_what_torchvision_and_timm_read():
    from timm.models import get_pretrained_cfg
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    backbones = {file for needs in METRIC_NEEDS.values() for file in needs.files if file.folder != "hub/pyiqa"}
    urls = (AlexNet_Weights.IMAGENET1K_V1.url, VGG16_Weights.IMAGENET1K_V1.url)
    timm = [get_pretrained_cfg(name).hf_hub_id for name in ("resnet50", "vit_base_patch8_224")]
    assert {file.name for file in backbones} == {*(url.rpartition("/")[2] for url in urls), *timm, "RN50.pt"}


def test_files_are_fetched_from_where_their_libraries_fetch_them():
    from pyiqa.archs.arch_util import get_url_from_name
    from pyiqa.archs.clip_model import _MODELS
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    theirs = {AlexNet_Weights.IMAGENET1K_V1.url, VGG16_Weights.IMAGENET1K_V1.url, _MODELS["RN50"]}
    for file in {file for needs in METRIC_NEEDS.values() for file in needs.files}:
        if file.folder == "hub/pyiqa":
            repository, _, name = file.published.removeprefix("hf://").rpartition("/")
            assert get_url_from_name(file.name).endswith(f"/{repository}/resolve/main/{name.replace('+', '%2B')}")
        elif file.folder == "huggingface":
            assert file.published == f"hf://{file.name}/model.safetensors"
        else:
            assert file.published in theirs


def test_missing_files_are_named_by_their_whole_paths(tmp_path):
    folders = WeightFolders(tmp_path / "home", tmp_path / "hf")
    plain = WeightFile("hub/pyiqa", "a.pth")
    checked = WeightFile("hub/clip", "b.pt", hashlib.sha256(b"right").hexdigest())
    backbone = WeightFile("huggingface", "timm/resnet50.a1_in1k")
    needs = MetricNeeds((plain, checked, backbone))
    assert list(folders.missing(needs)) == [
        str(tmp_path / "home/hub/pyiqa/a.pth"),
        str(tmp_path / "home/hub/clip/b.pt"),
        str(tmp_path / "hf/models--timm--resnet50.a1_in1k/snapshots/*/model.safetensors"),
    ]
    snapshot = tmp_path / "hf/models--timm--resnet50.a1_in1k/snapshots/abc"
    for folder in (tmp_path / "home/hub/pyiqa", tmp_path / "home/hub/clip", snapshot):
        folder.mkdir(parents=True)
    (tmp_path / "home/hub/pyiqa/a.pth").touch()
    (tmp_path / "home/hub/clip/b.pt").write_bytes(b"wrong")
    (snapshot / "model.safetensors").touch()
    [problem] = folders.missing(needs)
    assert "its SHA-256 is not" in problem
    (tmp_path / "home/hub/clip/b.pt").write_bytes(b"right")
    assert list(folders.missing(needs)) == []
