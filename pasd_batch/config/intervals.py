"""Types of settings that random parameters are drawn from: intervals and probabilities."""

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field


def _within(lowest: float, highest: float) -> Callable[[tuple[float, float]], tuple[float, float]]:
    def check(interval: tuple[float, float]) -> tuple[float, float]:
        low, high = interval
        if not lowest <= low <= high <= highest:
            raise ValueError(f"[{low}, {high}] must ascend and lie within [{lowest}, {highest}]")
        return interval

    return check


NonNegativeInterval = Annotated[tuple[float, float], AfterValidator(_within(0.0, math.inf))]
"""An interval of amounts, of which 0 means none."""

FractionInterval = Annotated[tuple[float, float], AfterValidator(_within(0.0, 1.0))]
"""An interval within [0, 1]."""

CutoffInterval = Annotated[tuple[float, float], AfterValidator(_within(0.1, math.pi))]
"""An interval of cutoff frequencies, radians per pixel; pi lets everything through."""

QualityInterval = Annotated[tuple[float, float], AfterValidator(_within(1.0, 100.0))]
"""An interval of JPEG qualities, which may be fractional."""

FactorInterval = Annotated[tuple[float, float], AfterValidator(_within(0.05, 8.0))]
"""An interval of scale factors."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
"""Probability of an effect, drawn per picture."""

Weight = Annotated[float, Field(ge=0.0)]
"""Relative weight of one choice; the weights of a group need not add up to 1."""

Strength = Annotated[float, Field(ge=0.0, le=1.0)]
"""1 is the full range of every effect, 0 the mildest."""
