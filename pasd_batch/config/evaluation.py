"""Settings of an evaluation: test sets, variants that restore them, and the protocol that scores the results."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from pasd_batch.config.base import ConfigError, InOrder, Place, Settings
from pasd_batch.config.degradation import BicubicSettings, DegradationSettings, RealEsrganSettings
from pasd_batch.config.embedded_model import over, over_sampling
from pasd_batch.config.photos import DecodeLimits
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import DeadlineSettings, WorkerSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import WeightsPath

_FOLDER_NAME = re.compile(r"[\w][\w .+=-]*")


def _checked_name(name: str) -> str:
    if not _FOLDER_NAME.fullmatch(name) or name.endswith("."):
        raise ValueError(f"{name!r} is the name of a folder, too; use letters, digits, spaces and . _ + = - alone")
    return name


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_checked_name)]
"""A name in tables, which is that of a folder, too."""


class ProtocolName(StrEnum):
    """A fixed choice of scores."""

    FIELD = "field"
    PRODUCT = "product"


class PhotoSetSettings(Settings):
    """One test set: pairs of degraded and true photos in two folders, or clean photos that are degraded here."""

    name: Name
    """Name of the set, in tables and paths. The published rows are those of `DIV2K-val`, `RealSR` and `DRealSR`."""

    pairs: str | None = None
    """Folder or prefix with the pairs, as StableSR published its test sets."""

    inputs: str = "test_LR"
    """Folder below `pairs` with the degraded photos."""

    truths: str = "test_HR"
    """Folder below `pairs` with the true ones, of the same names but for their endings."""

    photos: str | None = None
    """Folder, prefix or glob of clean photos, in place of `pairs`; each is degraded with a seed of its own."""

    degradation: DegradationSettings | None = None
    """Degradation of `photos`."""

    crop: int | None = Field(default=None, ge=16)
    """Only the middle of each of `photos`, so many pixels a side."""

    count: int | None = Field(default=None, ge=1)
    """Only so many photos, chosen by seed and name alone, so that fewer are part of more; none: all."""

    scale: float | None = Field(default=None, gt=0.0)
    """Factor that results are larger by; none: as the degradation has it, or the first of the pairs."""

    captions: Path | None = None
    """CSV with the columns `uri` and `prompt`: each photo's prompt, by its name without its ending."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.pairs is None) == (self.photos is None):
            raise ValueError(f"set {self.name} needs pairs, or photos to degrade: give one of them")
        if self.photos is not None and self.degradation is None:
            raise ValueError(f"set {self.name} has photos, but no degradation; name a chain")
        if self.pairs is not None and (self.degradation is not None or self.crop is not None):
            raise ValueError(f"set {self.name}: pairs are taken as they are; degradation and crop are for photos")
        return self

    @property
    def degraded_by(self) -> float:
        """Factor that `photos` become smaller by."""
        match self.degradation:
            case RealEsrganSettings(resize_back=False) | BicubicSettings(resize_back=False) as chain:
                return float(chain.scale)
            case _:
                return 1.0


class VariantSettings(Settings):
    """One way of restoring the sets."""

    name: Name
    """Name of the variant, in tables and paths."""

    restoration: dict[str, Any] = Field(default_factory=dict)
    """Settings of its restoration, over those that all variants have."""

    captions: bool = True
    """Restore photos with their captions, where a set has some."""


@dataclass(frozen=True)
class Variant:
    """A variant with whole settings."""

    name: str
    restoration: RestorationSettings
    captions: bool
    point: Mapping[str, Any] = field(default_factory=dict)
    """Its values of the settings that `grid` varies."""


class MetricWeightsSettings(Settings):
    """Weights of the protocol's metrics, and where they run; as in a run's `metrics`."""

    weights_dir: WeightsPath | None = None
    """Folder, `hf://` name or address of the weights; see `metrics.weights_dir` of a run."""

    allow_pickle: bool = False
    """Load weights that hold more than tensors. Such files can run code: only for those you trust."""

    device: str = "auto"
    """torch device; `auto` takes CUDA where there is one, else the CPU."""


class EvaluationSettings(Settings):
    """An evaluation: every variant restores all sets, each in a run of its own, and what comes out is scored."""

    output: Place
    """Folder or prefix that everything goes to; the same command on it resumes."""

    sets: tuple[PhotoSetSettings, ...] = Field(min_length=1)
    """Test sets."""

    restoration: dict[str, Any] = Field(default_factory=dict)
    """Settings of the restoration, as in a run, that all variants have."""

    variants: tuple[VariantSettings, ...] = (VariantSettings(name="PASD"),)
    """Variants that are compared; differences are told against the first."""

    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Values of settings by their paths below `restoration`, such as `sampling.steps: [4, 8]`: every variant is
    restored with every combination."""

    protocol: ProtocolName = ProtocolName.FIELD
    """`field`: what papers of the field report, as they measure it; `product`: scores that need no large weights, with
    the grid of the model's latents."""

    also: tuple[str, ...] = ()
    """Further metrics, by pyiqa's names or `kid`, such as `qalign` (14 GB of weights)."""

    without: Annotated[frozenset[str], InOrder] = frozenset()
    """Metrics of the protocol that are left out, such as those whose weights are not here."""

    metrics: MetricWeightsSettings = MetricWeightsSettings()
    """Weights of the metrics, and where they run."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the choice of photos and of their degradation."""

    shard_size: int = Field(default=16, ge=1, le=100_000)
    """Photos whose rows are committed together, as in a run."""

    max_error_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of failed photos above which an evaluation ends without a table: it would be of another set."""

    workers: WorkerSettings = WorkerSettings()
    """Worker processes and their resources."""

    deadlines: DeadlineSettings = DeadlineSettings()
    """Deadlines of one photo."""

    storage: StorageSettings = StorageSettings()
    """Storage settings: URI schemes that are opened, and retries."""

    limits: DecodeLimits = DecodeLimits()
    """Limits of a photo."""

    @property
    def all_variants(self) -> tuple[Variant, ...]:
        """Every variant at every point of the grid, in order."""
        return tuple(self._variants())

    def _variants(self) -> Iterator[Variant]:
        points = list(itertools.product(*([(path, value) for value in values] for path, values in self.grid.items())))
        for variant in self.variants:
            common = _merged(self.restoration, variant.restoration)
            for point in points:
                values = common
                for path, value in point:
                    values = _merged(values, _nested(path, value))
                label = " ".join(f"{path.rpartition('.')[2]}={_shown(value)}" for path, value in point)
                name = label if label and len(self.variants) == 1 else " ".join(filter(None, (variant.name, label)))
                restoration = RestorationSettings.parse(values, source=f"restoration of {name}")
                yield Variant(name, restoration, variant.captions, dict(point))

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> Self:
        for kind, names in (("sets", [each.name for each in self.sets]), ("variants", self._variant_names())):
            folded = [name.casefold() for name in names]
            if twice := sorted({name for name in names if folded.count(name.casefold()) > 1}):
                raise ValueError(f"{kind}: {', '.join(twice)} is named more than once; give each a name of its own")
        return self

    def _variant_names(self) -> list[str]:
        try:
            return [_checked_name(variant.name) for variant in self.all_variants]
        except ConfigError as error:
            raise ValueError(str(error)) from error


def _merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a restoration over others; a noise level given either way replaces the other."""
    merged = over(values, more)
    if isinstance(values.get("sampling"), Mapping) and isinstance(more.get("sampling"), Mapping):
        merged["sampling"] = over_sampling(values["sampling"], more["sampling"])
    return merged


def _nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
