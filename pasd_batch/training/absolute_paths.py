"""Absolute paths in a training's settings, for workers that run in other folders."""

import os
from pathlib import Path
from typing import Any

from pasd_batch.config.training import AnyTraining, parse_training


def with_absolute_paths(settings: AnyTraining) -> AnyTraining:
    """The settings with relative local paths resolved here; URIs stay as they are."""
    values = _with_absolute_paths(settings.model_dump(mode="python"))
    values["output"] = _absolute(values["output"])
    for source in (*values["data"]["sources"], *values["validation"]["sources"]):
        source["path"] = _absolute(source["path"])
    return parse_training(values)


def _with_absolute_paths(value: Any) -> Any:
    """Settings with every `Path` among them, which model folders are, resolved."""
    if isinstance(value, Path):
        return _absolute(str(value))
    if isinstance(value, dict):
        return {name: _with_absolute_paths(part) for name, part in value.items()}
    return [_with_absolute_paths(part) for part in value] if isinstance(value, list | tuple) else value


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))
