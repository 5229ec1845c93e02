"""Checkpoints in a folder or on object storage: either whole, or not there.

`checkpoints/step-00001000/` holds the exported model, the training's own state below `training/` and, written last,
`checkpoint.json`. A folder without that file was left by a killed process, and is ignored.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from pasd_batch.storage.storage import NotFound, Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.stepping import StepState

logger = logging.getLogger(__name__)

FOLDER = "checkpoints"
_MARKER = "checkpoint.json"
_MARKER_PATH = re.compile(rf"{FOLDER}/step-(\d+)/{re.escape(_MARKER)}")
_GROUPS = ("weights", "exp_avg", "exp_avg_sq", "averages")

ModelFiles = Iterable[tuple[str, bytes]]
"""Relative paths and contents of an exported model's files."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read back."""

    step: int
    """Steps done."""

    state: StepState
    facts: dict[str, Any]
    """Other facts that the training wrote down, such as its skipped photos."""


def save_checkpoint(storage: Storage, step: int, state: StepState, facts: Mapping[str, Any], model: ModelFiles) -> None:
    """Store a checkpoint after `step` steps; the marker, written last, makes it valid."""
    folder = checkpoint_folder(step)
    groups = {"weights": state.weights, **state.moments, "averages": state.averages}
    for name, tensors in groups.items():
        storage.write(f"{folder}/training/{name}.safetensors", save(_on_cpu(tensors)))
    for path, data in model:
        storage.write(f"{folder}/{path}", data)
    marker = {"step": step, "numbers": state.numbers, "facts": dict(facts)}
    storage.write(f"{folder}/{_MARKER}", json.dumps(marker, indent=1).encode())


def load_latest(storage: Storage) -> Checkpoint | None:
    """The checkpoint with most steps, or None if there is none.

    Raises:
        TrainingError: a file of it is missing.
        StorageError: it cannot be read.
    """
    steps = sorted(complete_steps(storage))
    if not steps:
        return None
    folder = checkpoint_folder(steps[-1])
    try:
        marker = json.loads(storage.read(f"{folder}/{_MARKER}"))
        groups = {name: load(storage.read(f"{folder}/training/{name}.safetensors")) for name in _GROUPS}
    except NotFound as error:
        raise TrainingError(
            f"{storage.uri(folder)} is not whole ({error}); delete its {_MARKER} to resume from the one before it"
        ) from error
    moments = {name: groups[name] for name in _GROUPS[1:3]}
    state = StepState(groups["weights"], moments, groups["averages"], marker["numbers"])
    return Checkpoint(marker["step"], state, marker["facts"])


def prune(storage: Storage, *, keep: int) -> None:
    """Delete all but the newest checkpoints, and what killed processes left of others."""
    kept = {checkpoint_folder(step) for step in sorted(complete_steps(storage))[-keep:]}
    obsolete = [path for path in storage.list(FOLDER) if not any(path.startswith(f"{folder}/") for folder in kept)]
    # The marker goes first: a half-deleted checkpoint must not look like a whole one.
    for path in sorted(obsolete, key=lambda path: not path.endswith(_MARKER)):
        storage.delete(path)
    storage.remove_empty_folders(FOLDER)


def complete_steps(storage: Storage) -> Iterator[int]:
    """Steps after which there is a whole checkpoint."""
    return (int(found[1]) for path in storage.list(FOLDER) if (found := _MARKER_PATH.fullmatch(path)))


def checkpoint_folder(step: int) -> str:
    """A checkpoint's place in the training's output; also a model folder that restoring loads."""
    return f"{FOLDER}/step-{step:08d}"


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
