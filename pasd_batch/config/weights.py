"""Weights by name: a local folder or file, `hf://owner/name[@revision][/path]`, or an address such as `s3://...`."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, unquote

from pydantic import BeforeValidator

from pasd_batch.config.base import ConfigError, Settings
from pasd_batch.config.marks import Weights

Named = TypeVar("Named", bound=Settings)

HUB = "hf://"
INDEX = "weights.json"
"""List of a mirror's files, their sizes and hashes, which web servers need, as they list none. No model reads it."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_NAME = re.compile(
    r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>refs/(?:pr/\d+|convert/[\w.-]+)|[^/@]+))?(?:/(?P<path>.*))?"
)
"""As huggingface_hub writes them; the references with slashes are those of pull requests and conversions."""


@dataclass(frozen=True)
class HubName:
    """A place in a model repository of the Hugging Face Hub, or of another one that speaks its protocol."""

    repository: str
    """Owner and name."""
    revision: str | None = None
    """Branch, tag or commit; none: the repository's main branch."""
    path: str = ""
    """Folder or file in it; empty: the repository."""

    @classmethod
    def parse(cls, text: str) -> "HubName":
        """Take apart `hf://owner/name[@revision][/path]`.

        Raises:
            ValueError: the text is none.
        """
        match = _HUB_NAME.fullmatch(text)
        path = (match["path"] or "").rstrip("/") if match else ""
        if match is None or (path and any(part in ("", ".", "..") for part in path.split("/"))):
            raise ValueError("write hf://OWNER/NAME, hf://OWNER/NAME@REVISION or hf://OWNER/NAME/FOLDER")
        revision = match["revision"]
        return cls(match["repository"], None if revision is None else unquote(revision), path)

    @property
    def commit(self) -> str | None:
        """The revision, if it is a commit, which never moves."""
        return self.revision if self.revision and _COMMIT.fullmatch(self.revision) else None

    def pinned(self, commit: str) -> "HubName":
        """The same place as it was at a commit."""
        return replace(self, revision=commit)

    def __str__(self) -> str:
        plain = self.revision is None or self.revision.startswith("refs/")
        revision = self.revision if plain else quote(str(self.revision), safe="")
        return f"{HUB}{self.repository}{f'@{revision}' if revision else ''}{f'/{self.path}' if self.path else ''}"


def _path_or_address(value: Any) -> Path | str:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise ValueError("a folder, a file or an address is needed")
    if not value:
        raise ValueError("a path is needed, and this one is empty; null stands for none where that may be")
    if value.startswith(HUB):
        return str(HubName.parse(value))
    return value if "://" in value else Path(value)


WeightsPath = Annotated[Path | str, BeforeValidator(_path_or_address)]
"""A local folder or file of weights, as a `Path`, or an address of them, as a text."""


@dataclass(frozen=True)
class WeightsSetting:
    """One setting marked as `Weights`."""

    name: str
    """Dotted path below the settings that were looked at; entries of lists by their numbers."""
    value: Path | str | None
    mark: Weights
    group: Settings
    """The group of settings that it stands in."""
    allow_pickle: bool
    """`allow_pickle` of that group, or of the nearest one around it that has such a setting."""


def weights_settings(settings: Settings, before: str = "", *, allow_pickle: bool = False) -> Iterator[WeightsSetting]:
    """All settings marked as `Weights`, in the settings' order; groups of settings and lists of them are entered."""
    allow_pickle = getattr(settings, "allow_pickle", allow_pickle)
    for name in settings.names_in_use():
        field, value = type(settings).model_fields[name], getattr(settings, name)
        mark = next((mark for mark in field.metadata if isinstance(mark, Weights)), None)
        several = isinstance(value, tuple | list)
        for number, each in enumerate(value if several else (value,)):
            path = f"{before}{name}.{number}" if several else f"{before}{name}"
            if mark is not None:
                yield WeightsSetting(path, each, mark, settings, allow_pickle)
            elif isinstance(each, Settings):
                yield from weights_settings(each, f"{path}.", allow_pickle=allow_pickle)


def with_weights(settings: Named, change: Callable[[WeightsSetting], Path | str | None]) -> Named:
    """The settings with what `change` gives for each setting marked as `Weights`; equal ones are left as they are."""
    changed = {setting.name: change(setting) for setting in weights_settings(settings)}
    return _replaced(settings, changed, "")


def local_path(weights: Path | str) -> Path:
    """Weights that are on this machine, as whoever loads them needs them.

    Raises:
        ConfigError: they are an address, which only the commands and workers fetch.
    """
    if isinstance(weights, Path):
        return weights
    raise ConfigError(
        f"{weights.partition('://')[0]}://...: loading takes local folders; fetch the weights with `pasd-batch weights "
        "fetch`, or turn the settings into local ones with pasd_batch.weights_by_name.on_this_machine"
    )


def _replaced(value: Any, changed: dict[str, Path | str | None], path: str) -> Any:
    if path in changed:
        return changed[path]
    if isinstance(value, tuple | list):
        return type(value)(_replaced(each, changed, f"{path}.{number}") for number, each in enumerate(value))
    if not isinstance(value, Settings):
        return value
    before = f"{path}." if path else ""
    new = {name: _replaced(getattr(value, name), changed, before + name) for name in type(value).model_fields}
    differing = {name: each for name, each in new.items() if each != getattr(value, name)}
    return value.model_copy(update=differing) if differing else value
