"""Settings of a restoration: passes over a photo, each a model and how to sample with it, and what describes it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from pasd_batch.config.adaptation import with_own_map
from pasd_batch.config.base import Settings
from pasd_batch.config.describe import DescribeSettings
from pasd_batch.config.embedded_model import embedded_sampling, over_embedded_sampling
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.passes import with_whole_passes
from pasd_batch.config.regions import RegionSettings
from pasd_batch.config.sampling import (
    COLORIZATION_NEGATIVE_PROMPT,
    LARGEST_SCALE,
    NEGATIVE_PROMPT,
    QUALITY_SUFFIX,
    ColorFix,
    SamplingSettings,
)

EMBEDDED_SCALE = 2.0
"""Scale that the embedded model is made for; at 1 it costs clean photos 10 dB unless it adapts (benchmarks/harm.py)."""


class PassSettings(Settings):
    """A model and how to sample with it: one pass over a photo."""

    model: ModelSettings = ModelSettings()
    """Model: its weights and device."""

    sampling: SamplingSettings = SamplingSettings()
    """Sampling; where no model is named, what is not set here is as the embedded model measured best."""

    @property
    def is_embedded(self) -> bool:
        """True if the model in the package is meant, and there is one."""
        return not _names_a_model(self.model) and bool(embedded_sampling())

    @property
    def unused(self) -> list[str]:
        """Sampling settings that the embedded model would not use, if it is meant: it was trained without captions."""
        if not self.is_embedded:
            return []
        sampling, own = self.sampling, embedded_sampling()
        usual = {"", QUALITY_SUFFIX, NEGATIVE_PROMPT, COLORIZATION_NEGATIVE_PROMPT}
        words = ("prompt", "trigger_words", "added_prompt", "negative_prompt")
        names = [name for name in words if getattr(sampling, name) not in {*usual, own.get(name)}]
        if "guidance_scale" not in own:  # it has the usual guidance
            return names
        if sampling.guidance_scale > max(1, own["guidance_scale"]):
            return [*names, "guidance_scale"]
        without = [name for name in ("guidance_interval", "guidance_rescale") if getattr(sampling, name)]
        return [*names, *without] if own["guidance_scale"] <= 1 else names

    @model_validator(mode="before")
    @classmethod
    def _embedded_defaults(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        sampling, model = values.get("sampling", {}), values.get("model")
        if not isinstance(sampling, Mapping):
            return values  # settings that are already built are whole
        if _names_a_model(model):
            return {**values, "sampling": with_own_map(sampling, _local_control(model))}
        return {**values, "sampling": over_embedded_sampling(sampling)}


class RestorationSettings(PassSettings):
    """One pass over a photo, which `model` and `sampling` are, or several `passes`, and what describes it for them."""

    describe: DescribeSettings = DescribeSettings()
    """High-level information: what is in a photo, for its prompt; nothing describes it unless asked to."""

    passes: tuple[PassSettings, ...] = ()
    """Several passes, each over the result of the one before, with a model and sampling of its own. `model` and
    `sampling` beside them are what they have in common, the scale beside them the whole restoration's, which the last
    one makes up. A pass without a scale has 1, but the last one if there is no scale anywhere."""

    @property
    def in_order(self) -> tuple[PassSettings, ...]:
        """All passes; the settings themselves where there is one."""
        return self.passes or (self,)

    @property
    def last(self) -> PassSettings:
        """The last pass, to which a photo's own settings apply."""
        return self.in_order[-1]

    @property
    def enlarged_before(self) -> float:
        """Scale of all passes but the last together."""
        return math.prod((each.sampling.scale for each in self.in_order[:-1]), start=1.0)

    @property
    def cautions(self) -> list[str]:
        """Lines about what these settings do to good photos, for people before anything begins."""
        scale = self.enlarged_before * self.last.sampling.scale
        if scale >= EMBEDDED_SCALE or not self.last.is_embedded or self.last.sampling.adapt:
            return []
        return [
            f"scale {scale:g} with the embedded model, which is made for scale {EMBEDDED_SCALE:g}: photos that are not "
            "noisy lose detail; set that scale, let sampling adapt (sampling.adapt=true), or name a model"
        ]

    @property
    def regions(self) -> tuple[RegionSettings, ...]:
        """Regions of all passes."""
        return tuple(dict.fromkeys(region for each in self.in_order for region in each.sampling.regions))

    def refuse_unused(self) -> None:
        """Refuse what would change nothing, and what the embedded model cannot do.

        Raises:
            ValueError: naming the settings.
        """
        if self.regions and self.describe.detect is None:
            raise ValueError(
                "sampling.regions are where a detector finds things, and there is none; name its weights in "
                "describe.detect.weights, or leave the regions out"
            )
        if any(each.is_embedded and each.sampling.colorize for each in self.in_order):
            raise ValueError(
                "sampling.colorize: the embedded model has not learned to colorize, photos would come out grey; leave "
                "it out, or name a colorization model with model.base and model.control (--base, --control)"
            )
        if names := dict.fromkeys(name for each in self.in_order for name in each.unused):
            told = ", ".join(f"sampling.{name}" for name in names)
            raise ValueError(
                f"{told}: the embedded model reads no words, so nothing would change; leave it out, or name a model "
                "that does with model.base and model.control (--base, --control)"
            )

    def names_in_use(self) -> tuple[str, ...]:
        """Those of one pass, or of several."""
        unused = ("model", "sampling") if self.passes else ("passes",)
        return tuple(name for name in super().names_in_use() if name not in unused)

    @model_validator(mode="before")
    @classmethod
    def _whole_passes(cls, values: Any) -> Any:
        return with_whole_passes(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _passes_make_one_restoration(self) -> Self:
        if not self.passes:
            return self
        if len(self.passes) == 1:
            raise ValueError("passes has one pass; write it as model and sampling, without passes")
        if (self.model, self.sampling) != (ModelSettings(), SamplingSettings(**over_embedded_sampling({}))):
            raise ValueError("model or sampling stand beside passes as built settings; build the passes with them")
        *before, last = (each.sampling.color_fix for each in self.passes)
        if ColorFix.REFERENCE in before and last is not ColorFix.REFERENCE:
            raise ValueError(
                f"color_fix is reference in a pass before the last, which gives the palette and has {last.value}; set "
                "it to reference in the last one"
            )
        for name in ("seed", "prompt"):
            if len({getattr(each.sampling, name) for each in self.passes}) > 1:
                raise ValueError(
                    f"passes have a different {name}, which is the photo's; set sampling.{name} beside them"
                )
        scale = self.enlarged_before * self.last.sampling.scale
        if scale > LARGEST_SCALE:
            raise ValueError(
                f"passes enlarge by {scale:g} together, the most is {LARGEST_SCALE:g}; give smaller scales"
            )
        return self

    @model_serializer(mode="wrap")
    def _in_use(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        named = {*type(self).model_fields} - {*self.names_in_use()}
        return {name: value for name, value in serialize(self).items() if name not in named}


def _names_a_model(model: Any) -> bool:
    values = model.model_dump() if isinstance(model, ModelSettings) else model
    return isinstance(values, Mapping) and any(values.get(name) is not None for name in ("base", "control"))


def _local_control(model: Any) -> Path | None:
    control = model.control if isinstance(model, ModelSettings) else model.get("control")
    return Path(control) if isinstance(control, str | Path) and "://" not in str(control) else None
