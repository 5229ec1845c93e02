"""Paths of a run's settings, as other processes and machines see them."""

import os
from pathlib import Path

from pasd_batch.cluster.submitted_job import refuse_relative_paths
from pasd_batch.config.run import RunSettings
from pasd_batch.config.weights import WeightsSetting, with_weights
from pasd_batch.storage.location import is_relative
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import Storage


def refuse_relative_paths_of_job(settings: RunSettings) -> None:
    """Refuse relative paths in a submitted job.

    Raises:
        ConfigError: naming the settings.
    """
    refuse_relative_paths(
        {
            "output.root": settings.output.root,
            "output.manifest": settings.output.manifest,
            "manifest.path": settings.manifest.path,
        }
    )


def with_absolute_paths(settings: RunSettings) -> RunSettings:
    """The settings with relative local paths resolved here, because workers may run in another folder."""
    root = Storage.open(settings.output.root, settings.storage).uri()
    manifest = settings.output.manifest
    if manifest is not None and is_relative(manifest):
        manifest = os.path.abspath(manifest)
    output = settings.output.model_copy(update={"root": root, "manifest": manifest})
    return with_weights(settings.model_copy(update={"output": output}), _absolute)


def shown_root(settings: RunSettings) -> str:
    """The run's address as it means the same place everywhere, without secrets."""
    root = settings.output.root
    return redact_uri(root if "://" in root else os.path.abspath(os.path.expanduser(root)))


def _absolute(weights: WeightsSetting) -> Path | str | None:
    return weights.value.expanduser().absolute() if isinstance(weights.value, Path) else weights.value
