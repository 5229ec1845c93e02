"""The places a training names, made independent of the folder that each of its workers runs in."""

import os

from pasd_batch.config.training import AnyTraining, parse_training
from pasd_batch.config.training_vae import VaeTrainingSettings


def with_absolute_places(settings: AnyTraining) -> AnyTraining:
    """The settings with relative local paths resolved here; URIs stay as they are."""
    values = settings.model_dump(mode="json")
    values["output"] = _absolute(values["output"])
    for source in (*values["data"]["sources"], *values["validation"]["sources"]):
        source["path"] = _absolute(source["path"])
    if values["log"]["tensorboard"] is not None:
        values["log"]["tensorboard"] = _absolute(values["log"]["tensorboard"])
    folders = values if isinstance(settings, VaeTrainingSettings) else values["model"]
    for name in ("base", "control", "vae", "initial"):
        if folders.get(name) is not None:
            folders[name] = _absolute(folders[name])
    return parse_training(values)


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))
