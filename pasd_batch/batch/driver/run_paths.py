"""Paths of a run's settings, as other processes and machines see them."""

import os
from pathlib import Path

from pasd_batch.config.base import ConfigError
from pasd_batch.config.run import RunSettings
from pasd_batch.config.weights import WeightsSetting, with_weights
from pasd_batch.storage.storage import Storage

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Variable that Ray sets in the environment of a submitted job's entrypoint (ray/_private/runtime_env/constants.py)."""


def refuse_relative_paths_of_job(settings: RunSettings) -> None:
    """Refuse relative paths in a submitted job, which runs in Ray's copy of the working folder, which Ray deletes.

    Raises:
        ConfigError: naming the settings.
    """
    if JOB_VARIABLE not in os.environ:
        return
    named = {
        "output.root": settings.output.root,
        "output.manifest": settings.output.manifest,
        "manifest.path": settings.manifest.path,
    }
    relative = [f"{name}={path}" for name, path in named.items() if path is not None and _is_relative(path)]
    if relative:
        raise ConfigError(
            f"{', '.join(relative)}: relative to {Path.cwd()}, Ray's own copy of the job's working folder, which Ray "
            "deletes; give paths that all machines share, such as s3://BUCKET/RUN or /mnt/archive/run"
        )


def _is_relative(path: str) -> bool:
    return "://" not in path and not os.path.isabs(os.path.expanduser(path))


def with_absolute_paths(settings: RunSettings) -> RunSettings:
    """The settings with relative local paths resolved here, because workers may run in another folder."""
    storage_settings = settings.storage
    root = Storage.open(settings.output.root, allowed_schemes=storage_settings.allowed_schemes).uri()
    manifest = settings.output.manifest
    if manifest is not None and _is_relative(manifest):
        manifest = os.path.abspath(manifest)
    output = settings.output.model_copy(update={"root": root, "manifest": manifest})
    return with_weights(settings.model_copy(update={"output": output}), _absolute)


def _absolute(weights: WeightsSetting) -> Path | str | None:
    return weights.value.expanduser().absolute() if isinstance(weights.value, Path) else weights.value
