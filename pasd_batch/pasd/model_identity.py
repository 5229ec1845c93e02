"""A model's identity: a hash of the contents of all files that its settings name, independent of their paths."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

from pasd_batch.config.base import Settings
from pasd_batch.config.weights import INDEX, local_path, weights_settings

_MODEL_SUFFIXES = {".safetensors", ".json", ".txt"}


def weight_files(settings: Settings) -> Iterator[Path]:
    """Files of all settings marked as `Weights` that loading reads, in the settings' order and by name."""
    for path, _ in _named_files(settings):
        yield path


def model_fingerprint(settings: Settings) -> str:
    """A hash (32 hexadecimal digits) of names, below what the settings name, and contents of all `weight_files`."""
    digest = hashlib.sha256()
    for path, name in _named_files(settings):
        with path.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()[:32]


def files_read(names: Collection[str], parts: tuple[str, ...], *, allow_pickle: bool) -> list[str]:
    """Files of a model folder that loading reads, by their names alone, so that it may lie anywhere.

    Args:
        names: all files below the folder, relative to it, with slashes.
        parts: subfolders that are read; where there are none of them, the folder itself is.
        allow_pickle: `.bin` files are read where there are no safetensors.
    """
    found: list[str] = []
    folders = {name.rpartition("/")[0] for name in names}
    for part in [part for part in parts if part in folders] or [""]:
        inside = sorted(name for name in names if name.rpartition("/")[0] == part and name != INDEX)
        pickled = {".bin"} if allow_pickle and not any(name.endswith(".safetensors") for name in inside) else set()
        suffixes = _MODEL_SUFFIXES | pickled
        found += [name for name in inside if Path(name).suffix in suffixes and not _is_variant(name, inside)]
    return found


def _is_variant(name: str, beside: Collection[str]) -> bool:
    """True for weights in another precision or state (`model.fp16.safetensors`) of some that are there too."""
    folder, slash, file = name.rpartition("/")
    suffix = Path(file).suffix
    stem, dot, _ = file.removesuffix(suffix).partition(".")
    plain = f"{folder}{slash}{stem}{suffix}"
    return bool(dot) and suffix in (".safetensors", ".bin") and bool({plain, f"{plain}.index.json"} & set(beside))


def _named_files(settings: Settings) -> Iterator[tuple[Path, str]]:
    for setting in weights_settings(settings):
        path = setting.mark.otherwise if setting.value is None else local_path(setting.value)
        if path is None:
            continue
        if path.is_file():
            yield path, path.suffix
            continue
        allowed = setting.value is not None and setting.allow_pickle
        folders = [path, *(path / part for part in setting.mark.parts)]
        names = [each.relative_to(path).as_posix() for folder in folders for each in folder.glob("*") if each.is_file()]
        for name in files_read(names, setting.mark.parts, allow_pickle=allowed):
            yield path / name, name
