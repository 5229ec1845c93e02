"""Settings of version 0.1.0 that are constants since, so that trainings that it began go on."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

_SIDES = {"smallest": 7, "largest": 21}

_VALUES: Mapping[str, Mapping[str, Any]] = {
    "blur": {
        "kinds": {
            "iso": 0.45,
            "aniso": 0.25,
            "generalized_iso": 0.12,
            "generalized_aniso": 0.03,
            "plateau_iso": 0.12,
            "plateau_aniso": 0.03,
        },
        "rotation": [-math.pi, math.pi],
        "generalized_beta_heavy": [0.5, 1.0],
        "generalized_beta_light": [1.0, 4.0],
        "generalized_heavy_probability": 0.5,
        "plateau_beta": [1.0, 2.0],
        "plateau_lowest_probability": 0.5,
        "sinc_probability": 0.1,
        "sinc_cutoff_small": [math.pi / 3, math.pi],
        "sinc_cutoff_large": [math.pi / 5, math.pi],
        "sinc_large_from": 13,
    },
    "noise": {"gaussian_probability": 0.5, "gray_probability": 0.4},
    "final_sinc": {"sizes": _SIDES},
    "degradation": {"jpeg_first_probability": 0.5},
    "capture": {"lens_sigma": [0.2, 1.8], "scan_sigma": [0.2, 0.7]},
    "tone": {
        "sepia_probability": 0.7,
        "sepia": [0.25, 1.0],
        "cyan_share": [0.6, 1.0],
        "magenta_share": [0.0, 0.4],
        "yellow_share": [0.0, 1.0],
        "black_lift": [0.03, 0.28],
        "white_drop": [0.0, 0.22],
        "gamma": [-0.35, 0.35],
        "unevenness": [0.0, 0.12],
        "vignette": [0.0, 0.4],
        "vignette_center": [0.35, 0.65],
    },
    "grain": {"size": [0.4, 1.1]},
    "halftone": {"period": [2.6, 5.0], "rotation": [-0.05, 0.05]},
    "blotches": {"size": [0.08, 0.35]},
    "scratches": {
        "width": [0.2, 1.5],
        "length": [0.03, 1.5],
        "waver": [0.0, 3.0],
        "wavelength": [60.0, 400.0],
        "opacity": [0.25, 0.95],
        "dark_probability": 0.25,
        "dark_brightness": [0.03, 0.2],
        "light_brightness": [0.8, 1.0],
        "along_probability": 0.7,
        "upright_probability": 0.75,
        "leaning": [-0.06, 0.06],
    },
    "dust": {
        "radius": [0.5, 2.4],
        "opacity": [0.4, 1.0],
        "dark_probability": 0.3,
        "dark_brightness": [0.02, 0.2],
        "light_brightness": [0.85, 1.0],
        "hair_length": [12.0, 70.0],
        "hair_width": [0.2, 0.6],
        "hair_curl": [-3.0, 3.0],
    },
    "optimizer": {"final_rate": 0.05},
    "model": {"paca_active": True, "first_prediction": "random"},
    "sizes": {"middle_attention": False, "upsampling": "nearest"},
    "": {"encoder": "random", "decoder": "random", "predicted": None},
}
"""Values that the constants have, by the group that each setting was in (none: an empty name) and its name."""


def without_retired(kept: Mapping[str, Any], group: str = "") -> dict[str, Any]:
    """Kept settings without those that are constants of the same value now.

    Args:
        kept: a training's settings, or a group of them.
        group: the group's name.
    """
    retired = _VALUES.get(group, {})
    left = {name: value for name, value in kept.items() if name not in retired or value != retired[name]}
    return {name: _pruned(value, name) for name, value in left.items()}


def retired_within(kept: Mapping[str, Any], group: str = "", above: str = "") -> Iterator[str]:
    """Dotted paths of the settings in `kept` that no longer exist."""
    for name, value in kept.items():
        path = f"{above}{name}"
        if name in _VALUES.get(group, {}):
            yield path
        for number, each in enumerate(value) if isinstance(value, list) else ():
            if isinstance(each, Mapping):
                yield from retired_within(each, name, f"{path}.{number}.")
        if isinstance(value, Mapping):
            yield from retired_within(value, name, f"{path}.")


def _pruned(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return without_retired(value, name)
    return [_pruned(each, name) for each in value] if isinstance(value, list) else value
