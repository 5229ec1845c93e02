"""Map of adaptation: from what is wrong with a photo, as its pixels tell, to the settings that it is restored with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import BeforeValidator, Field, model_validator

from pasd_batch.config.base import Settings, load_yaml, says_true
from pasd_batch.config.fidelity import FidelityDial, Frequency
from pasd_batch.config.intervals import NonNegativeInterval, Probability

ADAPTATION_FILE = "adaptation.yaml"
"""Name of a model's own map, in its folder."""


class Readings(Protocol):
    """Readings of a photo as fetched (`photos/estimates/`); None where it cannot tell."""

    @property
    def noise_sigma(self) -> float | None:
        """8-bit levels."""
        ...

    @property
    def blur_sigma(self) -> float | None:
        """Pixels."""
        ...

    @property
    def jpeg_strength(self) -> float | None:
        """8-bit levels."""
        ...


class AdaptedSettings(Settings):
    """Settings that adapt; those that are none here stay as they are."""

    steps: int | None = Field(default=None, ge=1, le=1000)
    """Denoising steps."""

    alpha_a: Probability | None = None
    """Adjustable noise schedule."""

    guidance_scale: float | None = Field(default=None, ge=0.0)
    """Classifier-free guidance."""

    conditioning_scale: float | None = Field(default=None, ge=0.0)
    """Factor on the control branch's residuals."""

    kept_frequencies: Frequency | None = None
    """Frequencies of the input that the result keeps."""

    fidelity: Probability | None = None
    """The dial of fidelity."""

    @model_validator(mode="after")
    def _by_the_dial_or_not(self) -> Self:
        moved = [name for name in FidelityDial.model_fields if getattr(self, name) is not None]
        if self.fidelity is not None and moved:
            raise ValueError(f"fidelity moves {', '.join(moved)}, too; give the one or the other in a class")
        return self


class SeverityClass(AdaptedSettings):
    """Settings of photos from a severity on."""

    severity: float = Field(ge=0.0, le=1.0)
    """Least severity."""

    @property
    def settings(self) -> dict[str, Any]:
        """Values of the settings that it has, by their names."""
        given = {name: getattr(self, name) for name in AdaptedSettings.model_fields}
        return {name: value for name, value in given.items() if value is not None}


class ScaleMap(Settings):
    """Part of a map for some scales: when a reading counts, and which settings follow.

    Each reading counts from 0 at the first number of its interval to 1 at the second, and not at all where there is no
    interval; severity is 1 - prod(1 - count), so that it never falls where a reading rises.
    """

    up_to_scale: float | None = Field(default=None, gt=0.0)
    """Largest scale that it is for; none: any."""

    noise_sigma: NonNegativeInterval | None = None
    """Noise, 8-bit levels."""

    blur_sigma: NonNegativeInterval | None = None
    """Blur, pixels."""

    jpeg_strength: NonNegativeInterval | None = None
    """Steps at the borders of JPEG's blocks, 8-bit levels."""

    classes: tuple[SeverityClass, ...] = Field(min_length=1)
    """Settings from mild to severe; the first is for severity 0."""

    def severity(self, readings: Readings) -> float:
        """Severity of a photo, 0 to 1; what it cannot tell is taken for not there, so that it is changed less."""
        sound = 1.0
        for name in ("noise_sigma", "blur_sigma", "jpeg_strength"):
            sound *= 1.0 - _count(getattr(readings, name), getattr(self, name))
        return 1.0 - sound

    def class_at(self, severity: float) -> SeverityClass:
        """The last class that begins at the severity or below."""
        return [each for each in self.classes if each.severity <= severity][-1]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        starts = [each.severity for each in self.classes]
        if starts[0] != 0.0 or any(before >= after for before, after in pairwise(starts)):
            raise ValueError(f"severities of the classes {starts} must begin with 0 and ascend")
        return self


def _count(reading: float | None, interval: tuple[float, float] | None) -> float:
    if reading is None or interval is None or reading <= interval[0]:
        return 0.0
    low, high = interval
    return 1.0 if reading >= high else (reading - low) / (high - low)


@dataclass(frozen=True)
class Adapted:
    """Severity of a photo, and what follows from it."""

    severity: float | None
    """None where the map has one class for all photos of that scale."""
    settings: Mapping[str, Any]


class AdaptationMap(Settings):
    """A model's map of adaptation, as `pasd-batch adapt` fits it."""

    scales: tuple[ScaleMap, ...] = Field(min_length=1)
    """Parts for scales from small to large; the last is for all larger ones, too."""

    def at(self, readings: Readings, *, scale: float) -> Adapted:
        """Settings for a photo with these readings that is enlarged by `scale`."""
        fits = (each for each in self.scales if each.up_to_scale is None or scale <= each.up_to_scale)
        part = next(fits, self.scales[-1])
        severity = part.severity(readings)
        return Adapted(severity if len(part.classes) > 1 else None, part.class_at(severity).settings)

    def without(self, names: Collection[str]) -> Self:
        """The map that leaves settings of these names alone."""
        changed = dict.fromkeys(names & AdaptedSettings.model_fields.keys())
        parts = [
            part.model_copy(update={"classes": tuple(each.model_copy(update=changed) for each in part.classes)})
            for part in self.scales
        ]
        return self.model_copy(update={"scales": tuple(parts)})

    @model_validator(mode="after")
    def _scales_ascend(self) -> Self:
        ends = [each.up_to_scale for each in self.scales[:-1]]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends) or any(before >= after for before, after in pairwise(known)):
            raise ValueError(f"up_to_scale of the parts but the last {ends} must be given and ascend")
        return self


def with_own_map(sampling: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Sampling settings with the map in a model's folder, if they adapt, name none, and there is one."""
    if not says_true(sampling.get("adapt")) or sampling.get("adaptation") is not None or folder is None:
        return dict(sampling)
    path = folder / ADAPTATION_FILE
    return {**sampling, "adaptation": load_yaml(path)} if path.is_file() else dict(sampling)


def replaced_by(names: Collection[str]) -> dict[str, None]:
    """Settings of a run, as none, that would decide the same as settings of these names that go before them."""
    replaced: dict[str, None] = {"added_noise_level": None} if "alpha_a" in names else {}
    if FidelityDial.model_fields.keys() & names:
        replaced["fidelity"] = None
    return replaced


def _read(value: Any) -> Any:
    return load_yaml(value) if isinstance(value, str | Path) else value


MapOrFile = Annotated[AdaptationMap, BeforeValidator(_read)]
"""A map, or the path of a YAML file with one."""
