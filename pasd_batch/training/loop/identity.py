"""Identity of a training: resuming with other settings is refused, not guessed at."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pasd_batch.config.base import ConfigError
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.storage.printable import some_of
from pasd_batch.storage.storage import AlreadyExists, Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.retired_settings import retired_within, without_retired

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
        "data.cache_bytes",
        "data.batches_per_task",  # a setting of 0.1.0
    }
)
"""Settings that may change when a training is resumed: they do not affect an optimizer step."""

_SHOWN = 10


def claim_output(storage: Storage, settings: TrainerSettings) -> bool:
    """Make the output this training's, or see that it already is; True if it was nobody's.

    Raises:
        TrainingError: another training's output is there; the message names the settings that differ, or those that
            it was begun with and that there are no more.
    """
    own = settings.model_dump(mode="json")
    try:
        storage.create(SETTINGS_FILE, json.dumps(own, indent=1, sort_keys=True).encode())
    except AlreadyExists:
        _refuse_another(storage, own, settings)
        return False
    return True


def _refuse_another(storage: Storage, own: Mapping[str, Any], settings: TrainerSettings) -> None:
    kept = without_retired(_free_as_now(json.loads(storage.read(SETTINGS_FILE)), own))
    if retired := list(retired_within(kept)):
        raise TrainingError(
            f"{storage.uri()} holds a training with values of its own for what is no setting any more: "
            f"{some_of(retired, _SHOWN)}; finish it with the version that began it, or choose another output"
        )
    differing = sorted(_differences(_with_defaults(kept, settings), json.loads(json.dumps(own))))
    if differing:
        raise TrainingError(
            f"{storage.uri()} holds a training with other settings: {some_of(differing, _SHOWN)}; "
            "choose another output, or give the settings it was started with"
        )


def _free_as_now(kept: Mapping[str, Any], own: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Kept settings with those that may change as they are now, so that whatever they were can be read."""
    merged = {}
    for name, value in kept.items():
        path, now = f"{above}{name}", own.get(name, {})
        if path not in _FREE:
            groups = isinstance(value, dict) and isinstance(now, dict)
            merged[name] = _free_as_now(value, now, f"{path}.") if groups else value
        elif name in own:
            merged[name] = now
    return merged


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
