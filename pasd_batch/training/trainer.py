"""Training, start to end: claim the output, list the photos, and let one or many workers run the loop."""

import logging

from pasd_batch.config.training import AnyTraining
from pasd_batch.pasd.models import choose_device
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.identity import claim_output
from pasd_batch.training.loop import train_loop
from pasd_batch.training.photo_index import kept_index
from pasd_batch.training.placement import Placement
from pasd_batch.training.process_feed import process_feed
from pasd_batch.training.ray_trainer import train_on_ray
from pasd_batch.training.work import build_task, loader_spec, open_output

logger = logging.getLogger(__name__)


def train(settings: AnyTraining) -> None:
    """Train until the last step, from the last checkpoint if there is one; the output is a model folder then.

    With `workers.ray` the Ray that this process is connected to is used, else that of `RAY_ADDRESS`, else a local one.

    Raises:
        TrainingError: the output belongs to another training, photos cannot be used, or training cannot go on.
        CheckpointError: a model folder is missing, or does not hold what it should.
        ManifestError, StorageError: photos cannot be listed, or the output not be written.
    """
    storage = open_output(settings)
    claim_output(storage, settings)
    index = kept_index(storage, settings.data.sources, settings.data.storage)
    logger.info("training on %d photos into %s", len(index), storage.uri())
    if settings.workers.ray:
        train_on_ray(settings)
    else:
        train_in_process(settings)


def train_in_process(settings: AnyTraining) -> None:
    """Train in this process alone; the output must have been claimed and its photos listed."""
    try:
        placement = Placement(choose_device(settings.device))
    except ValueError as error:
        raise TrainingError(f"{error} (setting device)") from error
    feed = process_feed(loader_spec(settings, placement), settings.data.loaders)
    train_loop(build_task(settings), settings, placement, feed=feed, storage=open_output(settings))
