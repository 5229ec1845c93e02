"""Weights that a training names by addresses: what they meant when it began is kept in its output."""

import json
from typing import TypeVar

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.storage.storage import AlreadyExists, NotFound, Storage
from pasd_batch.weights_by_name import on_this_machine, pinned, with_pins

PINS_FILE = "pinned_weights.json"
"""Path of the names of weights with what they meant, relative to a training's output."""

Trained = TypeVar("Trained", bound=TrainerSettings)


def keep_pins(storage: Storage, settings: TrainerSettings) -> None:
    """Write down what the names of weights mean now, unless that was done when the training began.

    Raises:
        StorageError: a name means nothing, or it cannot be written.
    """
    if storage.exists(PINS_FILE) or not (pins := pinned(settings)):
        return
    try:
        storage.create(PINS_FILE, json.dumps(pins, indent=1, sort_keys=True).encode())
    except AlreadyExists:
        return  # another process has begun the same training just now; what it has written counts


def with_kept_weights(storage: Storage, settings: Trained) -> Trained:
    """The settings with local paths for all weights, as they were when the training began; fetched if need be.

    Raises:
        StorageError, UnfitWeights: weights cannot be had, or are others than needed.
    """
    try:
        pins = json.loads(storage.read(PINS_FILE))
    except NotFound:
        pins = {}
    return on_this_machine(with_pins(settings, pins))
