"""Issues of photos: which measure tells each, from where on, and how severe it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pasd_batch.config.audit import AuditSettings


@dataclass(frozen=True)
class Issue:
    """An issue, which photos have whose `measure` is above (or `below`) the threshold of its name in the settings."""

    name: str
    measure: str
    """Column of audit.parquet."""
    worst: float
    """Value of the measure from which on it is as severe as it can be."""
    meaning: str
    below: bool = False
    severity_of_all: float | None = None
    """Severity of every photo that has it, where it is no matter of degree; the measure is then 0 or 1."""


ISSUES = (
    Issue("unreadable", "failed", 1.0, "cannot be fetched or decoded", severity_of_all=1.0),
    Issue("exact_duplicate", "exact_duplicate_of_another", 1.0, "has the same pixels as another", severity_of_all=1.0),
    Issue("near_duplicate", "likeness", 64.0, "looks like another"),
    Issue("dark", "brightness_99", 0.0, "is dark all over", below=True),
    Issue("light", "brightness_05", 1.0, "is light all over"),
    Issue("low_contrast", "contrast", 0.0, "has little contrast", below=True),
    Issue("low_information", "entropy", 0.0, "has little in it", below=True),
    Issue("blurry", "blur", 6.0, "is blurred"),
    Issue("noisy", "noise", 40.0, "is noisy"),
    Issue("compressed", "jpeg", 6.0, "has visible blocks of JPEG"),
    Issue("odd_size", "size_deviation", 10.0, "is much larger or smaller than most"),
    Issue("odd_aspect", "aspect", 0.0, "is very wide or very tall", below=True),
    Issue("borders", "border", 0.5, "has a plain frame or margin"),
    Issue("printed", "screen", 1.0, "is the scan of a print"),
    Issue("color_cast", "cast", 40.0, "has a colour cast"),
    Issue("grayscale", "grayscale", 1.0, "has no colour", severity_of_all=0.25),
    Issue("odd_profile", "odd_profile", 1.0, "has a colour profile that programs may not use", severity_of_all=0.5),
    Issue("no_profile", "no_profile", 1.0, "does not say what its colours are", severity_of_all=0.1),
)
"""All issues, in the order in which they are told."""


def severities(measures: Mapping[str, np.ndarray], settings: AuditSettings) -> dict[str, np.ndarray]:
    """Severity in [0, 1] of every issue, arrays of shape (photos,); NaN for photos that do not have it.

    `measures` has float64 arrays by the names of columns, NaN where a measure is unknown, which is no issue.
    """
    found = {}
    for issue in ISSUES:
        threshold = threshold_of(issue, settings)
        if threshold is not None:
            found[issue.name] = _severity(issue, measures[issue.measure], threshold)
    return found


def threshold_of(issue: Issue, settings: AuditSettings) -> float | None:
    """Value beyond which the issue's measure is one; None if the settings leave it out."""
    match getattr(settings, issue.name, True):  # what cannot be read is one in every audit
        case None | False:
            return None
        case True:
            return 0.5
        case int(bits) if issue.name == "near_duplicate":
            return 64.0 - bits - 0.5
        case number:
            return float(number)


def _severity(issue: Issue, values: np.ndarray, threshold: float) -> np.ndarray:
    """Beyond the threshold from 0 to 1, in proportion to the way that is gone to the worst value."""
    beyond = values < threshold if issue.below else values > threshold
    if issue.severity_of_all is not None:
        return np.where(beyond, issue.severity_of_all, np.nan)
    way = abs(issue.worst - threshold)
    degree = np.ones_like(values) if way == 0 else np.clip(np.abs(values - threshold) / way, 0.0, 1.0)
    return np.where(beyond, degree, np.nan)
