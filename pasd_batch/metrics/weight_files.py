"""Files of weights that metrics need, and the folders that they are looked for in."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class WeightFile:
    """A file in one of the folders that pyiqa and what it builds on read; `sha256` where they check it."""

    folder: Literal["hub/pyiqa", "hub/checkpoints", "hub/clip", "huggingface"]
    name: str
    sha256: str | None = None
    source: str | None = None
    """Address that it is published at, where that is not its folder's usual one."""

    @property
    def place(self) -> str:
        """Path in a folder of weights; `*` stands for a commit."""
        if self.folder != "huggingface":
            return f"{self.folder}/{self.name}"
        return f"huggingface/hub/{_repository_folder(self.name)}/snapshots/*/model.safetensors"

    @property
    def published(self) -> str:
        """Address that pyiqa, torchvision, CLIP and timm fetch the file from themselves."""
        if self.source is not None:
            return self.source
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
    """Requirements of one metric."""

    files: tuple[WeightFile, ...] = ()
    packages: tuple[str, ...] = ()
    """Packages besides pyiqa's own."""

    min_side: int = 1
    """Pixels that a photo's shorter side must have."""

    reference: bool = False
    """True for a metric that compares with the true photo."""

    sees_color: bool = True
    """False for a metric that looks at brightness alone."""

    repositories: tuple[str, ...] = ()
    """Whole repositories of Hugging Face, such as language models, that must be in its cache."""

    cuda: bool = False
    """True for a metric that runs on CUDA alone, whatever device is set."""


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
        for name in needs.repositories:
            if not any(self.huggingface.glob(f"{_repository_folder(name)}/snapshots/*/config.json")):
                yield f"{self.huggingface / _repository_folder(name)} (all files of {name})"

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
