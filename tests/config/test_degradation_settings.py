"""Degradation settings: published defaults, one chain by its name, and errors that name the path."""

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from pasd_batch.config.base import ConfigError
from pasd_batch.config.degradation import (
    BicubicSettings,
    DegradationSettings,
    GrayscaleSettings,
    KernelSizes,
    RealEsrganSettings,
    ResizeSettings,
)
from pasd_batch.config.old_photo import OldPhotoSettings

ANY_CHAIN: TypeAdapter[DegradationSettings] = TypeAdapter(DegradationSettings)


def test_defaults_are_the_published_ones() -> None:
    settings = RealEsrganSettings()
    first, second = settings.first, settings.second
    assert (first.blur.sigma, second.blur.sigma) == ((0.2, 3.0), (0.2, 1.5))
    assert (first.blur.probability, second.blur.probability) == (1.0, 0.5)
    assert (first.resize.factor, second.resize.factor) == ((0.3, 1.5), (0.6, 1.2))
    assert (first.noise.sigma, second.noise.sigma) == ((1.0, 15.0), (1.0, 12.0))
    assert (first.noise.poisson_scale, second.noise.poisson_scale) == ((0.05, 2.0), (0.05, 1.0))
    assert (first.jpeg_quality, second.jpeg_quality) == ((60.0, 95.0), (60.0, 100.0))
    assert settings.final_sinc.probability == 0.8
    assert settings.final_sinc.cutoff == (math.pi / 3, math.pi)
    assert settings.scale == 4


@pytest.mark.parametrize(
    ("chain", "kind"),
    [
        ("realesrgan", RealEsrganSettings),
        ("bicubic", BicubicSettings),
        ("old_photo", OldPhotoSettings),
        ("grayscale", GrayscaleSettings),
    ],
)
def test_a_chain_is_chosen_by_name(chain: str, kind: type) -> None:
    assert type(ANY_CHAIN.validate_python({"chain": chain})) is kind
    assert ANY_CHAIN.validate_python(ANY_CHAIN.dump_python(kind(), mode="json")) == kind()


def test_an_unknown_chain_is_refused() -> None:
    with pytest.raises(ValidationError, match="realesrgan"):
        ANY_CHAIN.validate_python({"chain": "camera"})


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"first": {"blur": {"sigma": [3.0, 0.2]}}}, "first.blur.sigma"),
        ({"second": {"jpeg_quality": [60, 120]}}, "second.jpeg_quality"),
        ({"final_sinc": {"cutoff": [1.0, 4.0]}}, "final_sinc.cutoff"),
        ({"strength": 1.5}, "strength"),
        ({"first": {"noise": {"gray": 1}}}, "first.noise.gray"),
        ({"resize_modes": []}, "resize_modes"),
    ],
)
def test_errors_name_the_dotted_path(values: dict, path: str) -> None:
    with pytest.raises(ConfigError, match=path):
        RealEsrganSettings.parse(values)


def test_impossible_groups_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be odd and ascend"):
        KernelSizes(smallest=8, largest=21)
    with pytest.raises(ValidationError, match="1 between its ends"):
        ResizeSettings(factor=(0.3, 0.9))
    with pytest.raises(ValidationError, match="up, down and keep are all 0"):
        ResizeSettings(up=0.0, down=0.0, keep=0.0)
