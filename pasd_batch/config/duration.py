"""A length of time as people write it."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def _in_seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    written = _WRITTEN.fullmatch(value)
    if written is None:
        raise ValueError(f"{value!r} is no length of time; write it as 90s, 9min or 2h")
    return float(written[1]) * _SECONDS[written[2]]


Duration = Annotated[float, BeforeValidator(_in_seconds), Field(gt=0.0, allow_inf_nan=False)]
"""Seconds; text with a unit is taken too: `90s`, `9min`, `2h`."""
