"""The metrics of the tables: pyiqa's through `pasd_batch`'s scorer, and the grid's."""

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.photo_sets import Sample
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.iqa import metric_problems, pyiqa_version
from pasd_batch.metrics.periodic_pattern import GRID_BOUND, MIN_SIDE, periodic_pattern
from pasd_batch.metrics.scorer import Scorer


@dataclass(frozen=True)
class MetricColumn:
    """How a metric stands in a table."""

    name: str
    """pyiqa's, but for the grid."""

    title: str
    higher_is_better: bool
    needs_original: bool
    decimals: int
    bound: float | None = None
    """What the mean may be at most, where no value is the best."""


METRICS = {
    column.name: column
    for column in (
        MetricColumn("psnr", "PSNR", True, True, 2),
        MetricColumn("ssim", "SSIM", True, True, 3),
        MetricColumn("ms_ssim", "MS-SSIM", True, True, 3),
        MetricColumn("fsim", "FSIM", True, True, 3),
        MetricColumn("gmsd", "GMSD", False, True, 3),
        MetricColumn("vif", "VIF", True, True, 3),
        MetricColumn("stlpips", "ST-LPIPS", False, True, 3),
        MetricColumn("niqe", "NIQE", False, False, 2),
        MetricColumn("piqe", "PIQE", False, False, 1),
        MetricColumn("grid_flat", "grid, flat", False, True, 2, GRID_BOUND),
        MetricColumn("grid_edges", "grid, edges", False, True, 2, GRID_BOUND),
    )
}
"""By name, in the tables' order."""

GRID = {"grid_flat": "flat", "grid_edges": "edges"}
"""The fields of `PeriodicPattern` that are metrics here, by their names."""

SECONDS = MetricColumn("seconds", "s/photo", False, False, 1)

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
        problems = metric_problems(_settings(names, weights))
        if problems:
            raise SystemExit("\n".join(problems))
        return cls(names, weights=weights)

    def score(self, restored: np.ndarray, sample: Sample, names: Sequence[str]) -> dict[str, float | None]:
        """The metrics' values; None where the photo is too small for one, or holds no detail."""
        return {name: self._score(name, restored, sample) for name in names}

    def _score(self, name: str, restored: np.ndarray, sample: Sample) -> float | None:
        if name in GRID:
            pattern = periodic_pattern(sample.original, restored)
            if pattern is None:
                _report_missing(sample, name, f"a side is below {MIN_SIDE} pixels")
                return None
            return getattr(pattern, GRID[name])
        if name not in self._scorers:
            self._scorers[name] = Scorer.from_settings(_settings([name], self._weights), restores=False)
        (score,) = self._scorers[name].score(restored, None, sample.original)
        if score.value is None:
            _report_missing(sample, name, score.error)
        return score.value


def _report_missing(sample: Sample, name: str, reason: str | None) -> None:
    sys.stderr.write(f"{sample.key.photo_set.name} {sample.key.photo}: no {name}: {reason}\n")


def _settings(names: Sequence[str], weights: Path) -> MetricsSettings:
    names = [name for name in names if name not in GRID]
    return MetricsSettings(
        no_reference=tuple(name for name in names if not METRICS[name].needs_original),
        full_reference=tuple(name for name in names if METRICS[name].needs_original),
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
