import hashlib
import shutil
from pathlib import Path

import pyiqa
import pytest
import torch
import torchvision
from metric_table import PAGE, page
from pyiqa.default_model_configs import DEFAULT_CONFIGS

from pasd_batch.metrics.grid import GRID_SCORES
from pasd_batch.metrics.iqa import METRIC_VARIANTS
from pasd_batch.metrics.weight_files import MetricNeeds, WeightFile, WeightFolders
from pasd_batch.metrics.weights import METRIC_NEEDS, NOT_FOR_PHOTOS

SOURCES = [
    path.read_text()
    for folder in (Path(pyiqa.__file__).parent / "archs", Path(torchvision.__file__).parent / "models")
    for path in folder.glob("*.py")
]


def test_the_page_of_metrics_is_made_from_the_table():
    assert page() == PAGE.read_text(encoding="utf-8"), "`make docs` writes docs/metrics.md"


def test_every_metric_of_pyiqa_is_known_or_refused_with_a_reason():
    own = {*METRIC_VARIANTS, *GRID_SCORES}
    assert METRIC_NEEDS.keys() | NOT_FOR_PHOTOS.keys() == DEFAULT_CONFIGS.keys() | own
    assert not METRIC_NEEDS.keys() & NOT_FOR_PHOTOS.keys()


def test_metrics_compare_with_a_reference_where_pyiqa_says_so():
    full_reference = {name for name, known in DEFAULT_CONFIGS.items() if known["metric_mode"] == "FR"}
    ours = {name for name, needs in METRIC_NEEDS.items() if needs.reference}
    assert ours == (full_reference - NOT_FOR_PHOTOS.keys()) | {*METRIC_VARIANTS, *GRID_SCORES}


WITH_FILES = {name for name, needs in METRIC_NEEDS.items() if needs.files and not needs.repositories}
"""Those with weights, but for metrics that read whole repositories, which cannot be followed without them."""


NUMBERS_WHILE_BUILT = {"topiq_iaa", "maniqa-pipal"}
"""Metrics that look at numbers while they are built, so that there must be some."""


@pytest.mark.parametrize("name", sorted(WITH_FILES))
def test_the_table_has_what_building_a_metric_asks_for(name, asked_for):
    asked, whole = asked_for(name)
    needed = {f"{file.folder}/{file.name}" for file in METRIC_NEEDS[name].files}
    if whole:
        assert asked == needed
    else:  # reading what is no real file ended it, or CLIP, which cannot be built from nothing
        assert asked
        assert asked <= needed


@pytest.fixture(scope="module")
def asked_for(tmp_path_factory):
    """Builds a metric without memory for its weights; gives the files that it asked for, and whether it came through.

    Files that are fetched are empty, and loading one gives nothing.
    """
    import timm.models._builder
    from clip import clip
    from pyiqa.archs import afineclip_model, clip_model
    from pyiqa.utils import download_util

    home = tmp_path_factory.mktemp("home")
    asked: set[str] = set()

    def fetch(url, target, *_, **__):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
        asked.add(str(Path(target).relative_to(home)))

    def fetch_clip(url, root):
        asked.add(f"hub/clip/{url.rpartition('/')[2]}")
        raise StopIteration

    def load_timm(model, pretrained_cfg=None, **_):
        known = (
            pretrained_cfg if isinstance(pretrained_cfg, dict) else (pretrained_cfg or model.pretrained_cfg).to_dict()
        )
        name = known.get("hf_hub_id")
        asked.add(f"huggingface/{name}" if name else f"hub/checkpoints/{Path(known['url']).name}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download_util, "DEFAULT_CACHE_DIR", str(home / "hub/pyiqa"))
        patch.setattr(download_util, "download_url_to_file", fetch)
        patch.setattr(torch.hub, "get_dir", lambda: str(home / "hub"))
        patch.setattr(torch.hub, "download_url_to_file", fetch)
        patch.setattr(timm.models._builder, "load_pretrained", load_timm)
        for module in (clip, clip_model, afineclip_model):
            patch.setattr(module, "_download", fetch_clip)
        patch.setattr(torch, "load", lambda *_, **__: _Nothing())
        patch.setattr(torch.jit, "load", lambda *_, **__: torch.nn.Identity())
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)

        def build(name):
            asked.clear()
            shutil.rmtree(home, ignore_errors=True)  # what is there is not fetched again
            try:
                device = torch.device("cpu" if name in NUMBERS_WHILE_BUILT else "meta")
                with device:
                    pyiqa.create_metric(name, device=device)
            except Exception:  # noqa: BLE001 (whatever an empty file is to it)
                return set(asked), False
            return set(asked), True

        yield build


class _Nothing(dict):
    """A state without anything in it, whatever is asked."""

    def __missing__(self, key):
        return _Nothing()


def test_files_are_fetched_from_where_their_libraries_fetch_them():
    from pyiqa.archs.arch_util import get_url_from_name
    from pyiqa.archs.clip_model import _MODELS

    for file in {file for needs in METRIC_NEEDS.values() for file in needs.files}:
        if file.folder == "hub/pyiqa":
            repository, _, name = file.published.removeprefix("hf://").rpartition("/")
            assert get_url_from_name(file.name).endswith(f"/{repository}/resolve/main/{name.replace('+', '%2B')}")
        elif file.folder == "hub/clip":
            assert file.published in _MODELS.values()
        elif file.folder == "huggingface":
            assert file.published == f"hf://{file.name}/model.safetensors"
        else:
            assert (
                any(file.published in text for text in SOURCES)
                or file.source == f"hf://chaofengc/IQA-PyTorch-Weights/{file.name}"
            )


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
