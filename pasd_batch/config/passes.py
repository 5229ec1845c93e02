"""Several passes as people write them: what they have in common stands once, beside them."""

import math
from collections.abc import Mapping
from typing import Any

from pasd_batch.config.base import Settings
from pasd_batch.config.embedded_model import over, over_sampling

_ROUNDING = 1e-6
"""Share by which two ways of writing a scale may differ."""


def with_whole_passes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a restoration, each of its passes whole: over `model` and `sampling` beside them, which are gone.

    Raises:
        ValueError: the scale beside the passes is not the one that they come to.
    """
    given, beside = values.get("passes"), {name: values.get(name) or {} for name in ("model", "sampling")}
    if not isinstance(given, list | tuple) or not given:
        return dict(values)
    passes = [_plain(each) for each in given]
    if not all(_is_pass(each) for each in passes):
        return dict(values)  # validation names what is none
    common = {name: dict(group) for name, group in beside.items() if isinstance(group, Mapping)}
    scale = common.get("sampling", {}).pop("scale", None)
    whole = [_over_common(each, common) for each in passes]
    scaled = zip(whole, _scaled([each["sampling"] for each in whole], scale), strict=True)
    others = {name: value for name, value in values.items() if name not in common}
    return {**others, "passes": [{**each, "sampling": sampling} for each, sampling in scaled]}


def _over_common(each: Mapping[str, Any], common: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    model = over(common.get("model", {}), _plain(each.get("model", {})))
    sampling = over_sampling(common.get("sampling", {}), _plain(each.get("sampling", {})))
    return {**each, "model": model, "sampling": sampling}


def _scaled(samplings: list[dict[str, Any]], whole: Any) -> list[dict[str, Any]]:
    """Samplings with a scale each: 1 where none is set, and the last one's makes up the whole restoration's.

    If none is set anywhere, the last one keeps the usual scale.
    """
    if whole is None and not any("scale" in sampling for sampling in samplings):
        return [*({**sampling, "scale": 1.0} for sampling in samplings[:-1]), samplings[-1]]
    *earlier, last = ({"scale": 1.0, **sampling} for sampling in samplings)
    if whole is not None:
        rest = _divided(whole, [sampling["scale"] for sampling in earlier])
        if "scale" not in samplings[-1] or math.isnan(_number(whole)):
            last["scale"] = rest
        # A comparison with what is no number is false: validation names it.
        elif abs(_number(last["scale"]) / _number(rest) - 1.0) > _ROUNDING:
            raise ValueError(
                f"sampling.scale is {whole}, which leaves {rest:g} for the last pass, whose scale is {last['scale']}; "
                "set one of the two"
            )
    return [*earlier, last]


def _divided(whole: Any, scales: list[Any]) -> Any:
    """The rest of a scale; a value that is no number stays, so that validation names it."""
    enlarged = math.prod(_number(scale) for scale in scales)
    return whole if math.isnan(_number(whole) / enlarged) else _number(whole) / enlarged


def _number(value: Any) -> float:
    """The value as validation will take it; not a number where it will refuse it."""
    try:
        return float(value) or math.nan
    except (TypeError, ValueError):
        return math.nan


def _is_pass(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(_plain(value.get(name, {})), Mapping) for name in ("model", "sampling")
    )


def _plain(value: Any) -> Any:
    """Settings that are already built as the values that they are."""
    return value.model_dump() if isinstance(value, Settings) else value
