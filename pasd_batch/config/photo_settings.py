"""Settings of a single photo: the run's, but for those that its row of the manifest sets."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pasd_batch.config.adaptation import AdaptationMap, Readings, replaced_by
from pasd_batch.config.base import ConfigError
from pasd_batch.config.fidelity import FidelityDial
from pasd_batch.config.sampling import ColorFix, SamplingSettings
from pasd_batch.config.setting_names import takes_text

PAGE = "page"
"""Name under which a photo's own settings have the page of its file."""

_LARGEST_PAGE = 1_000_000


def own_settings(given: str | None) -> Mapping[str, Any]:
    """Settings in a plan's `settings` of a photo, by their names."""
    return {} if given is None else json.loads(given)


def meaning_of(given: str | None) -> Mapping[str, Any]:
    """Settings in a plan's `settings` by their names, in order; equal ones are equal however a manifest writes them.

    CSV has numbers as text, and pandas has whole numbers of a column with gaps as 2.0.
    """
    return {name: _number_of(name, value) for name, value in sorted(own_settings(given).items())}


def _number_of(name: str, value: Any) -> Any:
    """A value of a setting that is a number, as one; what is none, and texts such as prompts, stay as they are."""
    if takes_text(SamplingSettings, (name,)) or isinstance(value, bool):
        return value
    for kind in (int, float):  # int first: seeds are larger than what float holds exactly
        with suppress(ValueError, OverflowError, TypeError):
            number = kind(value) if isinstance(value, str) else value
            return int(number) if number == int(number) else number
    return value


def page_of(own: Mapping[str, Any]) -> int | None:
    """Page of the file, from 1, that a photo is; None: the first.

    Raises:
        ConfigError: it is no such number.
    """
    if PAGE not in own:
        return None
    try:
        number = float(own[PAGE])
    except (TypeError, ValueError):
        number = math.nan
    if not (number.is_integer() and 1 <= number <= _LARGEST_PAGE):
        raise ConfigError(
            f"the photo's page in the manifest is {own[PAGE]!r}; pages are whole numbers from 1: mend its row there"
        )
    return int(number)


def sampling_of(run: SamplingSettings, own: Mapping[str, Any], *, enlarged_before: float = 1.0) -> SamplingSettings:
    """A run's settings with a photo's own ones in their place, but for `page`, and `seed`, which no batch has as one.

    Args:
        run: settings of the last pass.
        own: the photo's; its scale is that of all passes together.
        enlarged_before: scale of the passes before the last.

    Raises:
        ConfigError: naming each value that its setting does not take.
    """
    own = {name: value for name, value in own.items() if name != PAGE}
    if not own:
        return run
    # What a photo has of its own goes before settings of the run that would decide the same.
    try:
        settled = SamplingSettings.parse({**run.model_dump(), **replaced_by(own.keys()), **own})
    except ConfigError as error:
        told = "; ".join(line.strip() for line in str(error).splitlines()[1:])
        raise ConfigError(
            f"the photo's own settings in the manifest cannot be used: {told}; mend its row there, or leave them out"
        ) from error
    scale = settled.scale / enlarged_before if "scale" in own else settled.scale
    return settled.model_copy(update={"seed": run.seed, "scale": scale, "adaptation": _adapting_the_rest(settled, own)})


def _adapting_the_rest(settled: SamplingSettings, own: Mapping[str, Any]) -> AdaptationMap | None:
    """The map of adaptation without what a photo has of its own, or what decides the same."""
    if settled.adaptation is None:
        return None
    dial = FidelityDial.model_fields.keys()
    return settled.adaptation.without({*own, *(dial if "fidelity" in own else ()), *replaced_by(own.keys())})


def adapted(sampling: SamplingSettings, readings: Readings) -> tuple[SamplingSettings, float | None]:
    """Settings that adapt, as they are for a photo with these readings, and its severity.

    Settings that do not adapt stay as they are, and there is no severity. Photos of one class have equal settings.
    """
    if not sampling.adapt or sampling.adaptation is None:
        return sampling, None
    found = sampling.adaptation.at(readings, scale=sampling.scale)
    chosen = {**replaced_by(found.settings.keys()), **found.settings, "adapt": False, "adaptation": None}
    return sampling.model_copy(update=chosen), found.severity


def refuse_unused_reference(sampling: SamplingSettings) -> None:
    """Refuse the colour reference of a photo whose settings would make nothing of it.

    Raises:
        ConfigError: naming the setting.
    """
    if sampling.color_fix is not ColorFix.REFERENCE:
        raise ConfigError(
            f"there is a colour reference, and sampling.color_fix is {sampling.color_fix.value}, which uses none; "
            "set it to reference, or leave the colour reference (color_reference_uri) out"
        )
