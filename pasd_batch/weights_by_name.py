"""Settings of weights made good: pinned to what they name now, and turned into local paths.

Here what loaders read (`pasd/`, `metrics/`) meets where it may lie (`storage/`). Any setting that is marked as
`Weights` is treated, wherever it stands.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pasd_batch.config.base import Settings
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import WeightsSetting, weights_settings, with_weights
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.metrics.weights import needed_of
from pasd_batch.pasd.model_identity import files_read
from pasd_batch.storage.printable import some_of
from pasd_batch.storage.storage import StorageError
from pasd_batch.storage.weight_file_kind import why_no_safetensors
from pasd_batch.storage.weight_sources import WeightSource, weight_source

Named = TypeVar("Named", bound=Settings)

_WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth")
_LISTED = 8


class UnfitWeights(TroubleAroundPhotos):
    """Weights at a name that are not laid out as its setting needs them."""


def on_this_machine(settings: Named, storage_settings: StorageSettings | None = None) -> Named:
    """The settings with local paths for all weights that are needed, fetched if they are not here yet.

    Args:
        settings: any group of them.
        storage_settings: none: the settings' own, or the defaults.

    Raises:
        StorageError: weights cannot be had.
        UnfitWeights: there are others at the name than the setting needs.
    """
    storage_settings = storage_settings or storage_settings_of(settings)

    def local(setting: WeightsSetting) -> Path | str | None:
        if not isinstance(setting.value, str) or not _is_used(settings, setting):
            return setting.value
        source, files = needed_files(pinned_setting(setting, storage_settings), storage_settings)
        return source.fetch(list(files))

    return with_weights(settings, local)


def pinned(settings: Settings) -> dict[str, str]:
    """Names of weights in the settings that may come to mean others, each with one that does not.

    Raises:
        StorageError: what they name now cannot be told.
    """
    storage_settings = storage_settings_of(settings)
    names = {each.value for each in used_settings(settings) if isinstance(each.value, str)}
    pins = {name: weight_source(name, storage_settings).pinned() for name in sorted(names)}
    return {name: pin for name, pin in pins.items() if pin != name}


def with_pins(settings: Named, pins: Mapping[str, str]) -> Named:
    """The settings with the pinned addresses in place of those that may move."""

    def pin(setting: WeightsSetting) -> Path | str | None:
        return pins.get(setting.value, setting.value) if isinstance(setting.value, str) else setting.value

    return with_weights(settings, pin)


def faults_on_this_machine(settings: Settings) -> list[str]:
    """Faults of weights that should be on this machine, each with its setting and remedy; quicker than loading any."""
    storage_settings = storage_settings_of(settings)
    faults: list[str] = []
    for setting in used_settings(settings):
        if not isinstance(setting.value, Path):
            continue
        try:
            _, files = needed_files(setting, storage_settings)
        except (StorageError, UnfitWeights) as error:
            faults.append(str(error))
            continue
        for path in (setting.value.expanduser() / name for name in files):
            if path.suffix == ".safetensors" and (kind := why_no_safetensors(path)):
                faults.append(f"{setting.name}: {path}: no safetensors, but {kind}")
    return faults


def needed_files(setting: WeightsSetting, storage_settings: StorageSettings) -> tuple[WeightSource, dict[str, int]]:
    """Source of a setting's weights, and the files that loading them reads, as they are there: bytes of each by name.

    Names are those below the source; one called by the empty text is the source itself.

    Raises:
        StorageError: the source cannot be looked at.
        UnfitWeights: it does not have what is needed.
    """
    assert setting.value is not None, f"{setting.name} names no weights"
    source = weight_source(setting.value, storage_settings)
    with _named(setting):
        files = source.files()
    names = files.keys() if "" in files else _names_read(setting, files)
    if problem := _problem(setting, files, names):
        raise UnfitWeights(f"{setting.name}: {source}: {problem}")
    return source, {name: files[name] for name in names}


def pinned_setting(setting: WeightsSetting, storage_settings: StorageSettings) -> WeightsSetting:
    """The setting with what its name means now, so that all its files are of one commit.

    Raises:
        StorageError: that cannot be told.
    """
    if not isinstance(setting.value, str):
        return setting
    with _named(setting):
        return replace(setting, value=weight_source(setting.value, storage_settings).pinned())


@contextmanager
def _named(setting: WeightsSetting) -> Iterator[None]:
    """Errors within say which setting they are about."""
    try:
        yield
    except StorageError as error:
        raise type(error)(f"{setting.name}: {error}") from None


def storage_settings_of(settings: Settings) -> StorageSettings:
    """Storage settings that stand among others, those of a run or of a training's data; else the defaults."""
    for group in (settings, getattr(settings, "data", None)):
        if isinstance(found := getattr(group, "storage", None), StorageSettings):
            return found
    return StorageSettings()


def used_settings(settings: Settings) -> Iterator[WeightsSetting]:
    """Settings of weights that what is asked for uses, those that name none among them."""
    return (setting for setting in weights_settings(settings) if _is_used(settings, setting))


def _is_used(settings: Settings, setting: WeightsSetting) -> bool:
    mode = settings.mode if isinstance(settings, RunSettings) else RunMode.RESTORE
    if isinstance(setting.group, MetricsSettings):
        return mode is not RunMode.DESCRIBE and bool(needed_of(setting.group))
    match mode:
        case RunMode.SCORE | RunMode.AUDIT:
            return not setting.name.startswith("restoration.")
        case RunMode.DESCRIBE:
            return setting.name.startswith("restoration.describe.")
        case RunMode.RESTORE:
            return True


def _names_read(setting: WeightsSetting, files: Mapping[str, int]) -> Collection[str]:
    if isinstance(setting.group, MetricsSettings):
        return sorted(name for name in files if any(each.fits(name) for each in needed_of(setting.group)))
    return list(files_read(files.keys(), setting.mark.parts, allow_pickle=setting.allow_pickle))


def _problem(setting: WeightsSetting, files: Mapping[str, int], names: Collection[str]) -> str | None:
    """Reason why no loader could use these names; None: one may."""
    if isinstance(setting.group, MetricsSettings):
        missing = [each for each in needed_of(setting.group) if not any(each.fits(name) for name in names)]
        lacking = ", ".join(each.place for each in missing)
        return (
            f"lacks {lacking}; `pasd-batch weights fetch` makes a folder with all that is needed" if missing else None
        )
    if "" in names or any(name.endswith(_WEIGHTS) for name in names):
        return None
    parts = setting.mark.parts
    expected = f"a folder with {' '.join(f'{part}/' for part in parts)}" if parts else "a file or folder of safetensors"
    if any(name.endswith(".bin") and (not parts or name.partition("/")[0] in parts) for name in files):
        return "has pickles (.bin) alone, which are read only with allow_pickle; set it if you trust their source"
    tops = sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in files})
    return f"is not {expected}; it has {some_of(tops, _LISTED)}; name the folder within it that is"
