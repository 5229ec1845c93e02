"""Weights of metrics from folders of this machine alone: where they are looked for, and the network kept out."""

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.weights import local_path
from pasd_batch.metrics.weight_files import WeightFolders
from pasd_batch.metrics.weights import needed_of

_CLIP_LOADERS = ("clip.clip", "pyiqa.archs.afineclip_model")
"""Modules that keep CLIP's files in a folder of their own, instead of beside pyiqa's."""


def weight_folders(settings: MetricsSettings) -> WeightFolders:
    """Folders that the metrics' weights are looked for in."""
    if settings.weights_dir is not None:
        root = local_path(settings.weights_dir).expanduser().absolute()
        return WeightFolders(root, root / "huggingface" / "hub")
    import torch.hub
    from huggingface_hub import constants

    return WeightFolders(Path(torch.hub.get_dir()).parent, Path(constants.HF_HUB_CACHE))


@contextlib.contextmanager
def offline(settings: MetricsSettings) -> Iterator[None]:
    """Weights come from this machine, and hold tensors only unless the settings allow more."""
    from huggingface_hub import constants

    cache = str(weight_folders(settings).huggingface)
    before = constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE, os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    # timm, which fetches pyiqa's backbones, offers no argument for these.
    constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE = True, cache
    if not settings.allow_pickle:
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE = before[:2]
        os.environ.pop("TORCH_FORCE_WEIGHTS_ONLY_LOAD", None)
        if before[2] is not None:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before[2]


@contextlib.contextmanager
def clip_beside_others(settings: MetricsSettings) -> Iterator[None]:
    """CLIP comes from the folder of the other weights for all metrics that read it."""
    if not any(file.folder == "hub/clip" for file in needed_of(settings)):
        yield
        return
    folder = str(weight_folders(settings).torch_home / "hub" / "clip")
    modules = [cast(Any, importlib.import_module(name)) for name in _CLIP_LOADERS if _can_be_imported(name)]
    before = [module._download for module in modules]
    for module, download in zip(modules, before, strict=True):
        module._download = lambda url, root, download=download: download(url, folder)
    try:
        yield
    finally:
        for module, download in zip(modules, before, strict=True):
            module._download = download


def _can_be_imported(name: str) -> bool:
    package = name.partition(".")[0]
    return all(importlib.util.find_spec(each) is not None for each in (package, "pkg_resources"))
