"""The one door to pyiqa: what its metrics need, and building them without the network.

pyiqa (IQA-PyTorch) is licensed for non-commercial use only (PolyForm Noncommercial and NTU S-Lab licences); that is why
it is an optional package, imported here alone and only when a metric is asked for.
"""

import contextlib
import importlib.metadata
import importlib.util
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.metrics.offline import clip_beside_others, offline, weight_folders
from pasd_batch.metrics.weight_files import WeightFolders
from pasd_batch.metrics.weights import BATCHED, INCEPTION_NEEDS, METRIC_NEEDS, NOT_FOR_PHOTOS

METRIC_VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "psnr_ycbcr": ("psnr", {"test_y_channel": True, "color_space": "ycbcr"}),
    "ssim_ycbcr": ("ssim", {"test_y_channel": True, "color_space": "ycbcr"}),
}
"""Metrics that pyiqa has no name for: the one that they are, with options. These two are what the field reports."""

_DISTRIBUTIONS = {"clip": "openai-clip", "pkg_resources": "setuptools<81"}
"""Distributions of packages that are called otherwise."""

_INSTALL = "pip install 'pasd-batch[metrics]' (its licence is non-commercial)"


class MetricsUnavailable(PasdBatchError):
    """Metrics that cannot be computed here; the message lists every problem and its remedy."""


@dataclass(frozen=True)
class Metric:
    """One of pyiqa's metrics, built, on its device."""

    name: str
    model: Any
    device: Any

    @property
    def higher_is_better(self) -> bool:
        """Direction that is better."""
        return not self.model.lower_better

    @property
    def min_side(self) -> int:
        """Pixels that a photo's shorter side must have."""
        return METRIC_NEEDS[self.name].min_side

    def __call__(self, *photos: np.ndarray) -> float:
        """The score of a photo (and its reference); float (height, width, 3), sRGB in [0, 1]."""
        return float(self.model(*(self._tensor(photo) for photo in photos)))

    @property
    def takes_batches(self) -> bool:
        """True if photos of one size are scored together: on a GPU, where it saves time and does not change values."""
        return self.device.type == "cuda" and self.name in BATCHED

    def together(self, photos: Sequence[np.ndarray], *reference: np.ndarray) -> list[float]:
        """Scores of photos of one size (against one reference), in one call."""
        import torch

        batch = torch.cat([self._tensor(photo) for photo in photos])
        references = [self._tensor(photo).expand(len(photos), -1, -1, -1) for photo in reference]
        return [float(value) for value in self.model(batch, *references).flatten()]

    def _tensor(self, photo: np.ndarray) -> Any:
        import torch

        channels = np.ascontiguousarray(photo.transpose(2, 0, 1), dtype=np.float32)
        return torch.from_numpy(channels).unsqueeze(0).to(self.device).clamp(0.0, 1.0)


def build_metrics(settings: MetricsSettings) -> tuple[list[Metric], list[Metric]]:
    """The metrics without and with a reference.

    Raises:
        MetricsUnavailable: a package or weight file is missing, a name is unknown, or a metric cannot be built.
    """
    problems = metric_problems(settings)
    if problems:
        raise MetricsUnavailable("\n".join(problems))
    if not settings.no_reference and not settings.full_reference:
        return [], []
    with offline(settings), clip_beside_others(settings):
        no_reference = [_build(name, settings) for name in settings.no_reference]
        full_reference = [_build(name, settings) for name in settings.full_reference]
    return no_reference, full_reference


def build_inception(settings: MetricsSettings) -> tuple[Any, Any]:
    """The network that FID and KID take features from, and its device.

    Raises:
        MetricsUnavailable: a package or the weight file is missing, or the network cannot be built.
    """
    problems = inception_problems(settings)
    if problems:
        raise MetricsUnavailable("\n".join(problems))
    with offline(settings):
        metric = _build("fid", settings)
    return metric.model.net.model, metric.device


def inception_problems(settings: MetricsSettings) -> list[str]:
    """Everything that would keep `build_inception` from building, without doing it."""
    if importlib.util.find_spec("pyiqa") is None:
        return [f"fid and kid need pyiqa: {_INSTALL}"]
    try:
        _pyiqa_configurations(settings)
    except MetricsUnavailable as error:
        return [str(error)]
    return [_missing("fid", path) for path in weight_folders(settings).missing(INCEPTION_NEEDS)]


def pyiqa_version() -> str:
    """The installed pyiqa's version, or `not installed`."""
    try:
        return importlib.metadata.version("pyiqa")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def metric_problems(settings: MetricsSettings) -> list[str]:
    """Everything that would keep the metrics from being built, without building them or touching the network."""
    names = (*settings.no_reference, *settings.full_reference)
    if not names:
        return []
    if unknown := unknown_metrics(names):
        return unknown
    if importlib.util.find_spec("pyiqa") is None:
        return [
            f"metrics {', '.join(names)} need pyiqa: {_INSTALL}; or set metrics.no_reference and full_reference to []"
        ]
    try:
        configurations = _pyiqa_configurations(settings)
    except MetricsUnavailable as error:
        return [str(error)]
    folders = weight_folders(settings)
    problems = []
    for mode, group in (("NR", settings.no_reference), ("FR", settings.full_reference)):
        for name in group:
            problems += _problems_of(name, mode, configurations, folders, str(_device(settings)))
    return problems


def unknown_metrics(names: Sequence[str]) -> list[str]:
    """A problem, if any of the names is none of a metric of photos; told without pyiqa."""
    unknown = [name for name in names if name not in METRIC_NEEDS]
    if not unknown:
        return []
    reasons = [f"; {name} is none of a photo: {NOT_FOR_PHOTOS[name]}" for name in unknown if name in NOT_FOR_PHOTOS]
    known = ", ".join(METRIC_NEEDS)
    return [f"metrics: {', '.join(unknown)} is not known here; known are {known}{''.join(reasons)}"]


def _problems_of(
    name: str, mode: str, configurations: dict[str, Any], folders: WeightFolders, device: str
) -> Iterator[str]:
    configuration = configurations.get(METRIC_VARIANTS.get(name, (name, {}))[0])
    if configuration is None:
        yield f"metric {name} is not in pyiqa {pyiqa_version()}; install the version that constraints.txt names"
        return
    if configuration["metric_mode"] != mode:
        right = "no_reference" if mode == "FR" else "full_reference"
        yield f"metric {name} belongs under metrics.{right}"
    needs = METRIC_NEEDS[name]
    if needs.cuda and not device.startswith("cuda"):
        yield f"metric {name} runs on CUDA alone, and metrics.device is {device} here; leave it out"
    for package in needs.packages:
        if importlib.util.find_spec(package) is None:
            yield f"metric {name} needs the package {package}: pip install '{_DISTRIBUTIONS.get(package, package)}'"
    yield from (_missing(name, path) for path in folders.missing(needs))


def _missing(name: str, path: str) -> str:
    fetch = f"python -c \"import pyiqa; pyiqa.create_metric('{name}')\""
    return (
        f"metric {name} needs {path}; on a computer with internet run TORCH_HOME=FOLDER HF_HOME=FOLDER/huggingface "
        f"{fetch}, copy FOLDER here and name it in metrics.weights_dir"
    )


def _pyiqa_configurations(settings: MetricsSettings) -> dict[str, Any]:
    """pyiqa's table of metrics, imported so that it looks for weights where the settings say."""
    home = weight_folders(settings).torch_home
    if settings.weights_dir is not None and "pyiqa.utils.download_util" not in sys.modules:
        os.environ["TORCH_HOME"] = str(home)  # read once, as pyiqa is imported
    try:
        from pyiqa.default_model_configs import DEFAULT_CONFIGS
        from pyiqa.utils.download_util import DEFAULT_CACHE_DIR
    except (ImportError, RuntimeError) as error:
        raise MetricsUnavailable(
            f"pyiqa {pyiqa_version()} cannot be imported ({error}); reinstall: {_INSTALL}"
        ) from error
    if Path(DEFAULT_CACHE_DIR) != home / "hub" / "pyiqa":
        raise MetricsUnavailable(
            f"metrics.weights_dir is {home}, but this process has already loaded pyiqa with {DEFAULT_CACHE_DIR}; "
            "a process can have only one, so start another"
        )
    return dict(DEFAULT_CONFIGS)


def _build(name: str, settings: MetricsSettings) -> Metric:
    import pyiqa

    said = io.StringIO()  # pyiqa prints where it loads from
    try:
        device = _device(settings)
        with contextlib.redirect_stdout(said):
            theirs, options = METRIC_VARIANTS.get(name, (name, {}))
            model = pyiqa.create_metric(theirs, device=device, **options)
    except Exception as error:
        hint = "" if settings.allow_pickle else "; if it holds more than tensors and you trust it: metrics.allow_pickle"
        raise MetricsUnavailable(f"metric {name} cannot be built ({type(error).__name__}: {error}){hint}") from error
    return Metric(name, model, device)


def _device(settings: MetricsSettings) -> Any:
    import torch

    if settings.device != "auto":
        return torch.device(settings.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
