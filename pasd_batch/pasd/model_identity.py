"""A model's identity: a hash of what is in all files that its settings name, wherever they lie."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import Weights

_MODEL_SUFFIXES = {".safetensors", ".json", ".txt"}


def weight_files(settings: Settings) -> Iterator[Path]:
    """Files of all settings marked as `Weights`, in the settings' order and by name; groups of settings are entered."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        marks = [mark for mark in field.metadata if isinstance(mark, Weights)]
        for path in _each(value) if marks else ():
            yield from _files(path, marks[0].parts, allow_pickle=getattr(settings, "allow_pickle", False))
        if marks and value is None and marks[0].otherwise is not None:
            yield from _files(marks[0].otherwise, marks[0].parts, allow_pickle=False)
        for group in _each(value):
            if isinstance(group, Settings):
                yield from weight_files(group)


def model_fingerprint(settings: Settings) -> str:
    """A hash (32 hexadecimal digits) of names and contents of all `weight_files`."""
    digest = hashlib.sha256()
    for file in weight_files(settings):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{file.parent.name}/{file.name} {content}\n".encode())
    return digest.hexdigest()[:32]


def _each(value: object) -> tuple[object, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _files(path: object, parts: tuple[str, ...], *, allow_pickle: bool) -> Iterator[Path]:
    assert isinstance(path, Path), f"{path!r} is marked as weights and is no path"
    if path.is_file():
        yield path
        return
    for folder in [path / part for part in parts] or [path]:
        files = sorted(each for each in folder.glob("*") if each.is_file())
        safe = any(each.suffix == ".safetensors" for each in files)
        pickled = {".bin"} if allow_pickle and not safe else set()
        yield from (each for each in files if each.suffix in _MODEL_SUFFIXES | pickled)
