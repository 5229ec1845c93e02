"""The metrics of the tables: pyiqa's through `pasd_batch`'s scorer, and the grid's."""

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluation.photo_sets import Sample
from pasd_batch.config.evaluation import ProtocolName
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.evaluation.protocols import COLUMNS, compares
from pasd_batch.metrics.grid import GRID_SCORES
from pasd_batch.metrics.iqa import metric_problems, pyiqa_version
from pasd_batch.metrics.scorer import Scorer

METRICS = {column.name: column for column in COLUMNS[ProtocolName.PRODUCT]}
"""By name, in the tables' order: those of the product's own protocol."""

HIGHER_IS_BETTER = {name: name in ("psnr", "ssim", "ms_ssim", "fsim", "vif") for name in METRICS}

_NIQE_FILE = "niqe_modelparameters.mat"
_STLPIPS_FILE = "alex_shift_tolerant.pth"


class Judge:
    """Scores restored photos, with one scorer a metric, so that only what is not known yet is computed."""

    def __init__(self, names: Sequence[str], *, weights: Path) -> None:
        self.names = tuple(names)
        self.source = f"pyiqa {pyiqa_version()}"
        self._weights = weights
        self._scorers: dict[str, Scorer] = {}

    @classmethod
    def build(cls, names: Sequence[str], *, weights: Path, niqe_parameters: Path | None) -> "Judge":
        """Check the metrics; `weights` is a folder that their files are gathered in.

        Raises:
            SystemExit: a metric is not known here, a package is missing, or a file was not given.
        """
        unknown = [name for name in names if name not in METRICS]
        if unknown:
            raise SystemExit(f"metrics {', '.join(unknown)} are not known; known are {', '.join(METRICS)}")
        gather_weights(weights, names, niqe_parameters)
        problems = metric_problems(_settings([name for name in names if name not in GRID_SCORES], weights))
        if problems:
            raise SystemExit("\n".join(problems))
        return cls(names, weights=weights)

    def score(self, restored: np.ndarray, sample: Sample, names: Sequence[str]) -> dict[str, float | None]:
        """The metrics' values; None where the photo is too small for one, or holds no detail."""
        return {name: self._score(name, restored, sample) for name in names}

    def _score(self, name: str, restored: np.ndarray, sample: Sample) -> float | None:
        if name not in self._scorers:
            self._scorers[name] = Scorer.from_settings(_settings([name], self._weights), restores=False)
        (score,) = self._scorers[name].score(restored, None, sample.original)
        if score.value is None:
            _report_missing(sample, name, score.error)
        return score.value


def _report_missing(sample: Sample, name: str, reason: str | None) -> None:
    sys.stderr.write(f"{sample.key.photo_set.name} {sample.key.photo}: no {name}: {reason}\n")


def _settings(names: Sequence[str], weights: Path) -> MetricsSettings:
    return MetricsSettings(
        no_reference=tuple(name for name in names if not compares(name)),
        full_reference=tuple(name for name in names if compares(name)),
        weights_dir=weights,
    )


def gather_weights(folder: Path, names: Sequence[str], niqe_parameters: Path | None) -> None:
    """Put the files that the metrics read where pyiqa looks for them.

    Raises:
        SystemExit: a file is not there.
    """
    target = folder / "hub" / "pyiqa"
    target.mkdir(parents=True, exist_ok=True)
    if "niqe" in names and not (target / _NIQE_FILE).is_file():
        if niqe_parameters is None or not niqe_parameters.is_file():
            raise SystemExit(f"NIQE needs --niqe-parameters {_NIQE_FILE} (given: {niqe_parameters}); or leave niqe out")
        shutil.copyfile(niqe_parameters, target / _NIQE_FILE)
    if "stlpips" in names and not (target / _STLPIPS_FILE).is_file():
        package = importlib.util.find_spec("stlpips_pytorch")
        folders = (package.submodule_search_locations or []) if package else []
        files = [file for place in folders for file in sorted(Path(place).rglob(_STLPIPS_FILE))]
        if not files:
            raise SystemExit("ST-LPIPS needs the package stlpips-pytorch: pip install 'pasd-batch[quality]'")
        shutil.copyfile(files[0], target / _STLPIPS_FILE)
