"""Mirrors of weights: copies of all that a configuration needs in one folder or prefix, and settings that use them."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pasd_batch.config.base import Settings
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import HUB, INDEX, HubName, WeightsSetting, with_weights
from pasd_batch.errors import PasdBatchError
from pasd_batch.metrics.weight_files import WeightFile
from pasd_batch.metrics.weights import needed_of
from pasd_batch.storage.storage import NotFound, Storage, StorageError
from pasd_batch.storage.weight_sources import WeightSource, weight_source
from pasd_batch.weights_by_name import needed_files, pinned_setting, storage_settings_of, used_settings

METRICS = "metrics"
"""Folder of the metrics' weights in a mirror."""

_COMMIT_SHOWN = 12


@dataclass(frozen=True)
class Copied:
    """One setting's weights in a mirror."""

    setting: str
    source: str
    place: str
    files: int
    bytes: int


@dataclass
class Mirror:
    """A folder or prefix that weights are copied to; what is there already is not copied again."""

    storage: Storage
    places: dict[str, str] = field(default_factory=dict)
    """Addresses of what was copied, by the names of the settings."""

    @classmethod
    def open(cls, uri: str, storage_settings: StorageSettings) -> "Mirror":
        """The mirror at a local folder or URI.

        Raises:
            InvalidLocation: it cannot be written, as a web address cannot.
        """
        scheme = uri.partition("://")[0].lower() if "://" in uri else "file"
        allowed = {"allowed_schemes": storage_settings.allowed_schemes | {scheme}}
        return cls(Storage.open(uri, storage_settings.model_copy(update=allowed)))

    def copy_all(self, settings: Settings, told: Callable[[Copied], None]) -> list[PasdBatchError]:
        """Copy what every setting needs; `told` hears of each when it is there.

        Returns:
            Why weights could not be had or stored, each with its setting; they keep no others from being copied.
        """
        storage_settings = storage_settings_of(settings)
        failures: list[PasdBatchError] = []
        for setting in used_settings(settings):
            try:
                if isinstance(setting.group, MetricsSettings):
                    told(self._put_metrics(setting, storage_settings))
                elif setting.value is not None:
                    told(self._put_named(setting, storage_settings))
            except PasdBatchError as error:
                failures.append(error)
        return failures

    def overrides(self, settings: Settings) -> list[str]:
        """Overrides of the configuration that take the weights from here."""

        def place(setting: WeightsSetting) -> Path | str | None:
            return self.places.get(setting.name, setting.value)

        moved = with_weights(settings, place)
        written: dict[str, str] = {}
        for name, address in self.places.items():
            parts = name.split(".")
            numbers = [number for number, part in enumerate(parts) if part.isdigit()]
            if numbers:  # an entry of a list, which is given as a whole
                name = ".".join(parts[: numbers[0]])
                entries = [each.model_dump(mode="json", exclude_unset=True) for each in _at(moved, name)]
                written[name] = json.dumps(entries)
            else:
                written[name] = address
        return [f"{name}={value}" for name, value in written.items()]

    def _put_named(self, setting: WeightsSetting, storage_settings: StorageSettings) -> Copied:
        source, needed = needed_files(pinned_setting(setting, storage_settings), storage_settings)
        folder = source.fetch(list(needed))
        files = {name: folder / name if name else folder for name in needed}
        return self._put(setting, _label(source), str(source), files)

    def _put_metrics(self, setting: WeightsSetting, storage_settings: StorageSettings) -> Copied:
        """Copy those of the chosen metrics' files that can be had, before the others are told."""
        files, missing = _metric_files(setting, storage_settings)
        copied = self._put(setting, METRICS, "where they are published", files)
        if missing:
            del self.places[setting.name]  # metrics that lack a file cannot be computed
            raise StorageError("; ".join(f"{setting.name}: {each}" for each in missing))
        return copied

    def _put(self, setting: WeightsSetting, label: str, source: str, files: Mapping[str, Path]) -> Copied:
        single = next(iter(files.values())) if "" in files else None
        targets = {single.name: single} if single is not None else dict(files)
        known = self._index(label)
        for name, path in sorted(targets.items()):
            entry = _entry(name, path)
            if known.get(name) != entry or not self.storage.exists(f"{label}/{name}"):
                self.storage.upload(f"{label}/{name}", path)
                known[name] = entry
        # Last, so that what it names is there.
        index = json.dumps([known[name] for name in sorted(known)], indent=1)
        self.storage.write(f"{label}/{INDEX}", index.encode())
        place = self.storage.uri(f"{label}/{single.name}" if single is not None else label)
        self.places[setting.name] = place
        total = sum(path.stat().st_size for path in targets.values())
        return Copied(setting.name, source, place, len(targets), total)

    def _index(self, label: str) -> dict[str, dict[str, Any]]:
        try:
            return {each["name"]: each for each in json.loads(self.storage.read(f"{label}/{INDEX}"))}
        except (NotFound, ValueError, KeyError, TypeError):
            return {}


def _entry(name: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "bytes": path.stat().st_size, "sha256": sha256}


def _label(source: WeightSource) -> str:
    """Folder name that tells where weights came from; other weights have another one."""
    text = source.pinned()
    if text.startswith(HUB):
        name = HubName.parse(text)
        path = "--".join(part for part in (*name.repository.split("/"), *name.path.split("/")) if part)
        return f"{path}@{str(name.commit)[:_COMMIT_SHOWN]}"
    last = text.split("?")[0].rstrip("/").rpartition("/")[2]
    return f"{last}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _metric_files(
    setting: WeightsSetting, storage_settings: StorageSettings
) -> tuple[dict[str, Path], list[StorageError]]:
    """Files of the chosen metrics, from the setting's own folder if they are there, else as published; and failures."""
    assert isinstance(setting.group, MetricsSettings)
    needed = needed_of(setting.group)
    own = {} if setting.value is None else _own_files(weight_source(setting.value, storage_settings), needed)
    files: dict[str, Path] = {}
    missing: list[StorageError] = []
    for file in needed:
        there = {name: path for name, path in own.items() if file.fits(name)}
        try:
            files |= there or dict(_published(file, storage_settings))
        except StorageError as error:
            missing.append(error)
    return files, missing


def _own_files(source: WeightSource, needed: Collection[WeightFile]) -> dict[str, Path]:
    try:
        names = [name for name in source.files() if any(file.fits(name) for file in needed)]
    except NotFound:
        return {}
    folder = source.fetch(names)
    return {name: folder / name for name in names}


def _published(file: WeightFile, storage_settings: StorageSettings) -> Iterator[tuple[str, Path]]:
    source = weight_source(file.published, storage_settings)
    if file.folder != "huggingface":
        path = source.fetch([""])
        if file.sha256 is not None and _entry("", path)["sha256"] != file.sha256:
            raise StorageError(f"{source}: its SHA-256 is not {file.sha256}; it is not what CLIP asks for")
        yield file.place, path
        return
    # As the hub's client lays out its cache, where timm looks.
    pin = HubName.parse(source.pinned())
    path = weight_source(str(pin), storage_settings).fetch([""])
    yield file.place.replace("*", str(pin.commit)), path
    yield file.place.partition("/snapshots/")[0] + "/refs/main", _commit_file(path, str(pin.commit))


def _commit_file(beside: Path, commit: str) -> Path:
    """The file of the client's own cache that has the commit, which is there since it was resolved."""
    found = beside.parents[2] / "refs" / "main"
    if found.read_text().strip() != commit:
        raise StorageError(f"{found} no longer has {commit}, as the repository changed meanwhile; fetch again")
    return found


def _at(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings
