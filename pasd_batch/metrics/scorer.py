"""Scores of one photo: quality without a reference, quality against one, and fidelity to the input."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pasd_batch.config.metrics import Baseline, MetricsSettings
from pasd_batch.metrics.fidelity import enlarged_to, fidelity, scaled_to
from pasd_batch.metrics.grid import GRID_SCORES, GridMetric
from pasd_batch.metrics.iqa import Metric, build_metrics, pyiqa_version
from pasd_batch.metrics.meanings import METRIC_MEANINGS
from pasd_batch.metrics.pictures import MOST_WHOLE, to_float
from pasd_batch.records import Score, ScoreColumn

_logger = logging.getLogger(__name__)

_FIDELITY = {
    "fidelity_psnr": (
        True,
        "PSNR in dB of the result, scaled back to the input's size, against the input; at most 100",
    ),
    "fidelity_ssim": (True, "SSIM of the same two photos' luma"),
    "fidelity_color_difference": (False, "mean CIEDE2000 of the same two photos; about 1 is just noticeable"),
}
_LIKE_ASPECT = 0.01
_ENLARGED = "the input enlarged to the result's size by Lanczos resampling"


AnyMetric = Metric | GridMetric


@dataclass(frozen=True, eq=False)
class _Wanted:
    """A score that is to be computed: its name, and the picture with what it is compared with, if anything."""

    name: str
    images: tuple[np.ndarray, ...]


class Scorer:
    """Scores one photo at a time, so that no score depends on what else is in the run.

    On a GPU the photo's own pictures that have one size go through a metric together, where it takes that.

    Photos are arrays (height, width, 3), sRGB: float32 in [0, 1], or uint8 or uint16 where they are large.

    A restoration is compared with plain enlargement at the same size: a metric without a reference sees the input as it
    is (`NAME_input`), enlarged to the result's size (`NAME_before`) and the result (`NAME_after`), since most such
    metrics depend on the size; one with a reference the enlarged input, too (`NAME_before`), if there is a `baseline`.
    """

    def __init__(
        self,
        no_reference: Sequence[Metric],
        full_reference: Sequence[AnyMetric],
        *,
        max_pixels: int,
        baseline: Baseline,
        restores: bool,
    ) -> None:
        self._no_reference = tuple(no_reference)
        self._full_reference = tuple(full_reference)
        self._max_pixels = max_pixels
        self._compares_baseline = restores and baseline is Baseline.LANCZOS
        self._restores = restores

    @classmethod
    def from_settings(cls, settings: MetricsSettings, *, restores: bool = True) -> "Scorer":
        """Build the metrics of a run that `restores` photos, or of one that only scores them.

        Raises:
            MetricsUnavailable: a package or weight file is missing, a name is unknown, or a metric cannot be built.
        """
        theirs = tuple(name for name in settings.full_reference if name not in GRID_SCORES)
        no_reference, full_reference = build_metrics(settings.model_copy(update={"full_reference": theirs}))
        built = {metric.name: metric for metric in full_reference}
        return cls(
            no_reference,
            [built.get(name) or GridMetric(name) for name in settings.full_reference],
            max_pixels=settings.max_pixels,
            baseline=settings.baseline,
            restores=restores,
        )

    @property
    def columns(self) -> list[ScoreColumn]:
        """Definitions of the scores, in the order of `score`: names, the better direction, and what computed them."""
        source = f"pyiqa {pyiqa_version()}"
        columns = []
        for metric in self._no_reference:
            for name, of in self._names(metric.name):
                columns.append(
                    ScoreColumn(name, metric.higher_is_better, f"{METRIC_MEANINGS[metric.name]}; of {of}", source)
                )
        for metric in self._full_reference:
            for name, of in self._compared_names(metric.name):
                description = f"{METRIC_MEANINGS[metric.name]}; of {of} against the reference photo, scaled to its size"
                made_by = "pasd_batch" if isinstance(metric, GridMetric) else source
                columns.append(ScoreColumn(name, metric.higher_is_better, description, made_by))
        if self._restores:
            columns += [ScoreColumn(name, *meaning, "pasd_batch") for name, meaning in _FIDELITY.items()]
        return columns

    def score(self, photo: np.ndarray, restored: np.ndarray | None, reference: np.ndarray | None) -> list[Score]:
        """Scores of a photo as it came and of its restoration, one for each of `columns`.

        Where a metric does not apply the value is None: silently without `reference`, else with the reason.
        """
        if not self._restores:
            alone = [(metric, [self._scored(metric.name, metric, photo)]) for metric in self._no_reference]
            pairs = [(each, [self._compared(each.name, each, photo, reference)]) for each in self._full_reference]
            return [score for metric, wanted in (*alone, *pairs) for score in self._done(metric, wanted)]
        before = None if restored is None or not self._needs_enlarged(reference) else self._enlarged(photo, restored)
        scores = []
        for metric in self._no_reference:
            named = zip(self._names(metric.name), (photo, before, restored), strict=True)
            scores += self._done(metric, [self._scored(name, metric, image) for (name, _), image in named])
        for metric in self._full_reference:
            plain = None if before is restored else before
            images = (plain, restored) if self._compares_baseline else (restored,)
            named = zip(self._compared_names(metric.name), images, strict=True)
            scores += self._done(metric, [self._compared(name, metric, image, reference) for (name, _), image in named])
        return scores + _fidelity_scores(photo, restored)

    def _enlarged(self, photo: np.ndarray, restored: np.ndarray) -> np.ndarray:
        """The photo at the result's size; where that is too large for any metric, the result, which has that size."""
        is_large = restored.shape[0] * restored.shape[1] > max(MOST_WHOLE, self._max_pixels)
        return restored if is_large else enlarged_to(photo, restored)

    def _needs_enlarged(self, reference: np.ndarray | None) -> bool:
        compares = self._compares_baseline and self._full_reference and reference is not None
        return bool(self._no_reference or compares)

    def _names(self, name: str) -> list[tuple[str, str]]:
        if self._restores:
            return [
                (f"{name}_input", "the input as it is"),
                (f"{name}_before", _ENLARGED),
                (f"{name}_after", "the result"),
            ]
        return [(name, "the photo")]

    def _compared_names(self, name: str) -> list[tuple[str, str]]:
        result = (name, "the result" if self._restores else "the photo")
        return [(f"{name}_before", _ENLARGED), result] if self._compares_baseline else [result]

    def _scored(self, name: str, metric: AnyMetric, image: np.ndarray | None) -> Score | _Wanted:
        if image is None:
            return Score(name, None, "the photo was not restored")
        reason = self._unfit(metric, image)
        return Score(name, None, reason) if reason else _Wanted(name, (to_float(image),))

    def _compared(
        self, name: str, metric: AnyMetric, result: np.ndarray | None, reference: np.ndarray | None
    ) -> Score | _Wanted:
        if reference is None:
            return Score(name, None)
        if result is None:
            return Score(name, None, "the photo was not restored, or is too large to be enlarged for a score")
        height, width = reference.shape[:2]
        if abs(result.shape[1] * height / result.shape[0] - width) > max(1.0, _LIKE_ASPECT * width):
            sizes = f"{result.shape[1]} x {result.shape[0]} and {width} x {height}"
            return Score(name, None, f"the photo and its reference have other proportions ({sizes} pixels)")
        reason = self._unfit(metric, reference)
        if reason:
            return Score(name, None, reason)
        return _Wanted(name, (scaled_to(result, height=height, width=width), to_float(reference)))

    def _unfit(self, metric: AnyMetric, image: np.ndarray) -> str | None:
        height, width = image.shape[:2]
        if min(height, width) < metric.min_side:
            return f"{width} x {height} pixels is less than the {metric.min_side} a side that it needs"
        if height * width > self._max_pixels:
            return f"{width} x {height} pixels is more than metrics.max_pixels {self._max_pixels:,}"
        return None

    def _done(self, metric: AnyMetric, wanted: Sequence[Score | _Wanted]) -> list[Score]:
        """The scores; those that have none already are computed."""
        values = _together(metric, [each for each in wanted if isinstance(each, _Wanted)])
        return [each if isinstance(each, Score) else _evaluated(metric, each, values.get(each.name)) for each in wanted]


def _together(metric: AnyMetric, wanted: Sequence[_Wanted]) -> dict[str, float]:
    """Values of pictures of one size, made in one call, by name; none where a metric takes one picture at a time."""
    if isinstance(metric, GridMetric) or not metric.takes_batches:
        return {}
    values: dict[str, float] = {}
    for shape in {each.images[0].shape for each in wanted}:
        alike = [each for each in wanted if each.images[0].shape == shape]
        try:
            found = metric.together([each.images[0] for each in alike], *alike[0].images[1:])
        except Exception as error:  # noqa: BLE001 (one by one it may have memory enough, and else says what is wrong)
            _logger.info("%s of %d pictures together failed: %s", metric.name, len(alike), error)
        else:
            values |= dict(zip((each.name for each in alike), found, strict=True))
    return values


def _evaluated(metric: AnyMetric, wanted: _Wanted, value: float | None) -> Score:
    """The score; `value` is what it was found to be together with others, if it was."""
    name = wanted.name
    try:
        value = metric(*wanted.images) if value is None else value
    except Exception as error:  # noqa: BLE001 (a metric that fails on one photo costs that score, not the photo)
        _logger.warning("%s failed: %s: %s", name, type(error).__name__, error)
        return Score(name, None, f"{type(error).__name__}: {error}")
    if not math.isfinite(value):
        return Score(name, None, f"it gave {value}, as metrics do for photos without any detail")
    return Score(name, value)


def _fidelity_scores(photo: np.ndarray, restored: np.ndarray | None) -> list[Score]:
    if restored is None:
        return [Score(name, None, "the photo was not restored") for name in _FIDELITY]
    found = fidelity(photo, restored)
    small = None if found.ssim is not None else "the photo is smaller than SSIM's window of 11 pixels"
    values = ((found.psnr, None), (found.ssim, small), (found.color_difference, None))
    return [Score(name, *value) for name, value in zip(_FIDELITY, values, strict=True)]
