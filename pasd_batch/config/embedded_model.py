"""The model in the package: where it lies, and with which sampling settings it measured best."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pasd_batch.config.adaptation import AdaptedSettings, with_own_map
from pasd_batch.config.base import load_yaml, says_true

EMBEDDED_MODEL = Path(__file__).parent.parent / "weights" / "pasd-tiny"
"""Model folder, base and control in one; not there in packages built without weights."""

_ONE_OF = ("alpha_a", "added_noise_level")
_NOT_ADAPTED = {*AdaptedSettings.model_fields, "added_noise_level"}
_NOT_ADAPTED_IF_TRUE = ("pure_noise_start", "colorize")


@lru_cache(maxsize=1)
def embedded_sampling() -> Mapping[str, Any]:
    """The model's own defaults for `SamplingSettings`, from the file beside its weights; empty without a model."""
    path = EMBEDDED_MODEL / "sampling.yaml"
    return load_yaml(path) if path.is_file() else {}


def over_embedded_sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings given, over the embedded model's own; a noise level given either way replaces the model's.

    Who gives a setting that the model would adapt means it, and the model does not adapt unless that is given, too.
    """
    own = embedded_sampling()
    is_meant = any(given.get(name) is not None for name in _NOT_ADAPTED)
    if is_meant or any(says_true(given.get(name)) for name in _NOT_ADAPTED_IF_TRUE):
        own = {name: value for name, value in own.items() if name != "adapt"}
    return with_own_map(over_sampling(own, given), EMBEDDED_MODEL)


def over_sampling(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Sampling settings given, over others; a noise level given either way replaces the others'."""
    if any(given.get(name) is not None for name in _ONE_OF):
        own = {name: value for name, value in own.items() if name not in _ONE_OF}
    return over(own, given)


def over(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings given, over others, group by group, so that one of a group leaves the group's others as they are."""
    groups = {name: over(own[name], value) for name, value in given.items() if _both_groups(own.get(name), value)}
    return {**own, **given, **groups}


def _both_groups(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)
