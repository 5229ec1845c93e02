"""Parts that the tests of several packages share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np
    from hub_server import HubServer
    from s3_server import S3Server
    from torch import Tensor


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole tiny model, base and PASD parts in one folder; to be read only."""
    from tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def describer_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of one of the tiny models, to be read only."""
    from tiny_describers import save_describer

    root, saved = tmp_path_factory.mktemp("describers"), {}

    def folder(kind: str) -> Path:
        if kind not in saved:
            saved[kind] = save_describer(kind, root / kind)
        return saved[kind]

    return folder


@pytest.fixture(scope="session")
def photo() -> "Tensor":
    """A real photograph, float32 (3, 96, 128), sRGB in [0, 1]."""
    from skimage import data

    return _to_tensor(data.astronaut()[60:156, 160:288])


@pytest.fixture(scope="session")
def photos() -> "Tensor":
    """Three different photographs, float32 (3, 3, 64, 80), sRGB in [0, 1]."""
    import torch
    from skimage import data

    sources = (data.astronaut(), data.coffee(), data.chelsea())
    return torch.stack([_to_tensor(source[100:164, 120:200]) for source in sources])


@pytest.fixture(scope="session")
def _s3_process() -> Iterator["S3Server"]:
    from s3_server import S3Server

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3(_s3_process: "S3Server", monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Server"]:
    """The server, with the environment pointing at it and an empty bucket named `archive`."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3_process.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = boto3.resource("s3").Bucket("archive")
    bucket.create()
    _s3_process.requests.clear()
    yield _s3_process
    _s3_process.trouble = lambda environ: None
    bucket.objects.delete()
    bucket.delete()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["HubServer"]:
    """A server of model repositories, and this process's client turned to it, with an empty cache."""
    from hub_server import HubServer
    from huggingface_hub import constants

    server = HubServer()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.stop()


def _to_tensor(pixels: "np.ndarray") -> "Tensor":
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(pixels).copy()).permute(2, 0, 1).float() / 255.0
