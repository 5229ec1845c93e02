"""Requirements of pyiqa's metrics before they are built: weight files, packages, and a smallest photo.

pyiqa fetches what it does not find, by file name and without a check of what is there. Nothing may be fetched in a
run, so the files are looked for first. This table is of pyiqa 0.1.16; a metric that is not in it is refused.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pasd_batch.config.metrics import MetricsSettings

_CLIP_RN50 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"


@dataclass(frozen=True)
class WeightFile:
    """A file in one of the folders that pyiqa and what it builds on read; `sha256` where they check it."""

    folder: Literal["hub/pyiqa", "hub/checkpoints", "hub/clip", "huggingface"]
    name: str
    sha256: str | None = None

    @property
    def place(self) -> str:
        """Path in a folder of weights; `*` stands for a commit."""
        if self.folder != "huggingface":
            return f"{self.folder}/{self.name}"
        return f"huggingface/hub/{_repository_folder(self.name)}/snapshots/*/model.safetensors"

    @property
    def published(self) -> str:
        """Address that pyiqa, torchvision, CLIP and timm fetch the file from themselves."""
        match self.folder:
            case "hub/pyiqa":
                return f"hf://chaofengc/IQA-PyTorch-Weights/{self.name}"
            case "hub/checkpoints":
                return f"https://download.pytorch.org/models/{self.name}"
            case "hub/clip":
                return f"https://openaipublic.azureedge.net/clip/models/{self.sha256}/{self.name}"
            case "huggingface":
                return f"hf://{self.name}/model.safetensors"

    def fits(self, name: str) -> bool:
        """True for the name of a file in a folder of weights that is this one, or leads the hub's client to it."""
        beside = f"huggingface/hub/{_repository_folder(self.name)}/refs/main"
        return fnmatchcase(name, self.place) or (self.folder == "huggingface" and name == beside)


@dataclass(frozen=True)
class MetricNeeds:
    """Requirements of one metric: files, packages besides pyiqa's own, and pixels on a photo's shorter side."""

    files: tuple[WeightFile, ...] = ()
    packages: tuple[str, ...] = ()
    min_side: int = 1


@dataclass(frozen=True)
class WeightFolders:
    """Folders that weights are looked for in: `torch_home` as `$TORCH_HOME`, `huggingface` as `$HF_HOME/hub`."""

    torch_home: Path
    huggingface: Path

    def missing(self, needs: MetricNeeds) -> Iterator[str]:
        """Files that are missing or not what they should be, each with its whole path."""
        for file in needs.files:
            path = self._path(file)
            if path is None:
                yield f"{self.huggingface / _repository_folder(file.name)}/snapshots/*/model.safetensors"
            elif not path.is_file():
                yield str(path)
            elif file.sha256 is not None and _sha256(path) != file.sha256:
                yield f"{path} (its SHA-256 is not {file.sha256})"

    def _path(self, file: WeightFile) -> Path | None:
        if file.folder != "huggingface":
            return self.torch_home / file.folder / file.name
        found = self.huggingface.glob(f"{_repository_folder(file.name)}/snapshots/*/model.safetensors")
        return next(iter(sorted(found)), None)


def _repository_folder(name: str) -> str:
    return "models--" + name.replace("/", "--")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _needs(*names: str, backbone: WeightFile | None = None, min_side: int = 32, clip: bool = False) -> MetricNeeds:
    files = tuple(WeightFile("hub/pyiqa", name) for name in names)
    packages = ("clip", "pkg_resources") if clip else ()
    return MetricNeeds((backbone, *files) if backbone else files, packages, min_side)


_ALEXNET = WeightFile("hub/checkpoints", "alexnet-owt-7be5be79.pth")
_VGG16 = WeightFile("hub/checkpoints", "vgg16-397923af.pth")
_RESNET50 = WeightFile("huggingface", "timm/resnet50.a1_in1k")
_VIT = WeightFile("huggingface", "timm/vit_base_patch8_224.augreg2_in21k_ft_in1k")
_CLIP_RN50_FILE = WeightFile("hub/clip", "RN50.pt", _CLIP_RN50)

METRIC_NEEDS: dict[str, MetricNeeds] = {
    # Nothing but the photo.
    "psnr": MetricNeeds(),
    "psnry": MetricNeeds(),
    "ssim": MetricNeeds(min_side=11),
    "ssimc": MetricNeeds(min_side=11),
    "ms_ssim": MetricNeeds(min_side=161),
    "fsim": MetricNeeds(min_side=32),
    "gmsd": MetricNeeds(min_side=16),
    "vif": MetricNeeds(min_side=33),
    "vsi": MetricNeeds(min_side=32),
    "nlpd": MetricNeeds(min_side=32),
    "cw_ssim": MetricNeeds(min_side=64),
    "mad": MetricNeeds(min_side=32),
    "piqe": MetricNeeds(min_side=16),
    "entropy": MetricNeeds(min_side=8),
    # A file of their own.
    "niqe": _needs("niqe_modelparameters.mat", min_side=192),
    "niqe_matlab": _needs("niqe_matlab_params.mat", min_side=192),
    "ilniqe": _needs("ILNIQE_templateModel.mat", min_side=84),
    "brisque": _needs("brisque_svm_weights.pth"),
    "brisque_matlab": _needs("brisque_matlab.mat"),
    "cnniqa": _needs("CNNIQA_koniq10k-e6f14c91.pth"),
    "musiq": _needs("musiq_koniq_ckpt-e95806b9.pth"),
    "musiq-ava": _needs("musiq_ava_ckpt-e8d3f067.pth"),
    "musiq-paq2piq": _needs("musiq_paq2piq_ckpt-364c0c84.pth"),
    "musiq-spaq": _needs("musiq_spaq_ckpt-358bb6af.pth"),
    "stlpips": _needs("alex_shift_tolerant.pth", min_side=64),
    "stlpips-vgg": _needs("vgg_shift_tolerant.pth", min_side=64),
    # A backbone besides.
    "lpips": _needs("LPIPS_v0.1_alex-df73285e.pth", backbone=_ALEXNET, min_side=64),
    "lpips-vgg": _needs("LPIPS_v0.1_vgg-a78928a0.pth", backbone=_VGG16),
    "dists": _needs("DISTS_weights-f5e65c96.pth", backbone=_VGG16),
    "maniqa": _needs("ckpt_koniq10k.pt", backbone=_VIT),
    "maniqa-kadid": _needs("ckpt_kadid10k.pt", backbone=_VIT),
    "maniqa-pipal": _needs("MANIQA_PIPAL-ae6d356b.pth", backbone=_VIT),
    "hyperiqa": _needs("HyperIQA-resnet50-koniq10k-c96c41b1.pth", backbone=_RESNET50),
    "topiq_nr": _needs("cfanet_nr_koniq_res50-9a73138b.pth", backbone=_RESNET50),
    "topiq_nr-flive": _needs("cfanet_nr_flive_res50-ded1c74e.pth", backbone=_RESNET50),
    "topiq_nr-spaq": _needs("cfanet_nr_spaq_res50-a7f799ac.pth", backbone=_RESNET50),
    "topiq_fr": _needs("cfanet_fr_kadid_res50-2c4cc61d.pth", backbone=_RESNET50),
    "topiq_fr-pipal": _needs("cfanet_fr_pipal_res50-69bbe5ba.pth", backbone=_RESNET50),
    "clipiqa": _needs(backbone=_CLIP_RN50_FILE, clip=True),
    "clipiqa+": _needs("CLIP-IQA+_learned_prompts-603f3273.pth", backbone=_CLIP_RN50_FILE, clip=True),
}
"""By pyiqa's names."""

INCEPTION_NEEDS = _needs("pt_inception-2015-12-05-6726825d.pth", min_side=1)
"""Needs of the network that FID and KID take features from."""


def needed_of(settings: MetricsSettings) -> list[WeightFile]:
    """Weight files of all metrics of the settings, each once; names that are not known here have none."""
    names = (*settings.no_reference, *settings.full_reference)
    return list(dict.fromkeys(file for name in names if name in METRIC_NEEDS for file in METRIC_NEEDS[name].files))
