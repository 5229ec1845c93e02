"""Identity of a training: resuming with other settings is refused, not guessed at."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pasd_batch.config.base import ConfigError
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.storage.storage import AlreadyExists, Storage
from pasd_batch.training.errors import TrainingError

SETTINGS_FILE = "training.json"
"""Path of a training's settings, relative to its output."""

_FREE = frozenset(
    {
        "output",
        "steps",
        "device",
        "workers",
        "checkpoints",
        "log",
        "validation",
        "validation_sampling",
        "gradient_checkpointing",
        "compile",
        "channels_last",
        "stop_after",
        "data.storage",
        "data.loaders",
        "data.loader_cpus",
        "data.batches_per_task",
        "data.cache_bytes",
    }
)
"""Settings that may change when a training is resumed: they do not change what is learned in a step."""

_SHOWN = 10


def claim_output(storage: Storage, settings: TrainerSettings) -> None:
    """Make the output this training's, or see that it already is.

    Raises:
        TrainingError: another training's output is there; the message names the settings that differ.
    """
    own = settings.model_dump(mode="json")
    try:
        storage.create(SETTINGS_FILE, json.dumps(own, indent=1, sort_keys=True).encode())
    except AlreadyExists:
        kept = _with_defaults(json.loads(storage.read(SETTINGS_FILE)), settings)
        differing = sorted(_differences(kept, json.loads(json.dumps(own))))
        if differing:
            more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
            raise TrainingError(
                f"{storage.uri()} holds a training with other settings: {', '.join(differing[:_SHOWN])}{more}; "
                "choose another output, or give the settings it was started with"
            ) from None


def _with_defaults(kept: dict[str, Any], settings: TrainerSettings) -> dict[str, Any]:
    """Kept settings with the defaults of those that an older version did not have yet."""
    try:
        return type(settings).parse(kept).model_dump(mode="json")
    except ConfigError:
        # Another kind of training, or settings that are gone: the comparison names them.
        return kept


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted paths at which two nested mappings differ and must not."""
    for key in first.keys() | second.keys():
        path = f"{above}{key}"
        one, other = first.get(key), second.get(key)
        if path in _FREE or one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differences(one, other, f"{path}.")
        else:
            yield path
