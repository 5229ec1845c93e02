"""Jobs of `ray job submit`: their entrypoint runs in Ray's own copy of the working folder, which Ray deletes."""

import os
from collections.abc import Mapping
from pathlib import Path

from pasd_batch.config.base import ConfigError
from pasd_batch.storage.location import is_relative

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Variable that Ray sets in the environment of a submitted job's entrypoint (ray/_private/runtime_env/constants.py)."""


def refuse_relative_paths(named: Mapping[str, str | None]) -> None:
    """Refuse relative paths where this process is a submitted job; `named` has the settings' values by their names.

    Raises:
        ConfigError: naming the settings.
    """
    if JOB_VARIABLE not in os.environ:
        return
    relative = [f"{name}={path}" for name, path in named.items() if path is not None and is_relative(path)]
    if relative:
        raise ConfigError(
            f"{', '.join(relative)}: relative to {Path.cwd()}, Ray's own copy of the job's working folder, which Ray "
            "deletes; give paths that all machines share, such as s3://BUCKET/RUN or /mnt/archive/run"
        )
