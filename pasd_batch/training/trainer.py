"""Training, start to end: claim the output, list the photos, and let one or many workers run the loop."""

import logging
from contextlib import suppress

from pasd_batch.config.training import AnyTraining
from pasd_batch.errors import PasdBatchError
from pasd_batch.pasd.device import choose_device
from pasd_batch.storage.storage import Storage, StorageError
from pasd_batch.training.data.batch_maker import Feed
from pasd_batch.training.data.crop_check import warn_of_large_crops
from pasd_batch.training.data.photo_index import INDEX_FILE, PhotoIndex, load_or_create_index
from pasd_batch.training.data.process_feed import process_feed
from pasd_batch.training.data.resident_feed import resident_feed
from pasd_batch.training.data.resident_photos import MIB, load_resident_photos
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.checkpoints import complete_steps
from pasd_batch.training.loop.identity import SETTINGS_FILE, claim_output
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.time_budget import TimeBudget
from pasd_batch.training.loop.training_loop import train_loop
from pasd_batch.training.pinned_weights import PINS_FILE, keep_pins
from pasd_batch.training.ray_trainer import train_on_ray
from pasd_batch.training.single_training import only_training
from pasd_batch.training.worker_setup import build_task, loader_spec, open_output, sample_data

logger = logging.getLogger(__name__)


def train(settings: AnyTraining) -> int:
    """Train to the last step or until `stop_after`, from the last checkpoint if there is one; the number of steps done.

    The output is a model folder then. A start that fails before its first checkpoint leaves the output to any training,
    so that what was wrong with the settings can be mended.

    With `workers.ray` the Ray that this process is connected to is used, else that of `RAY_ADDRESS`, else a local one.

    Raises:
        TrainingError: the output belongs to another training or is being trained, photos cannot be used, or training
            cannot go on.
        CheckpointError: a model folder is missing, or does not hold what it should.
        ManifestError, StorageError: photos cannot be listed, or the output not be written.
    """
    budget = TimeBudget(settings.stop_after)
    storage = open_output(settings)
    with only_training(storage):
        is_new = claim_output(storage, settings)
        try:
            _train(settings, storage, budget)
        except PasdBatchError:
            if is_new and next(complete_steps(storage), None) is None:
                _give_back(storage)
            raise
    return max(complete_steps(storage))


def _train(settings: AnyTraining, storage: Storage, budget: TimeBudget) -> None:
    keep_pins(storage, settings)
    index = load_or_create_index(storage, settings.data.sources, settings.data.storage)
    samples = settings.data.samples
    warn_of_large_crops(
        index,
        samples.crop_size,
        setting="data.samples.crop_size",
        max_bytes=samples.limits.max_bytes,
        smallest_side=samples.smallest_side,
    )
    logger.info("training on %d photos into %s", len(index), storage.uri())
    if settings.workers.ray:
        train_on_ray(settings)
    else:
        train_in_process(settings, index, budget)


def _give_back(storage: Storage) -> None:
    """Delete what a training writes at its start, last what claims the output."""
    with suppress(StorageError):  # the error that ended the start is what is told
        for name in (INDEX_FILE, PINS_FILE, SETTINGS_FILE):
            storage.delete(name)


def train_in_process(settings: AnyTraining, index: PhotoIndex, budget: TimeBudget) -> None:
    """Train in this process alone; the output must have been claimed and its photos listed."""
    try:
        placement = Placement(choose_device(settings.device))
    except ValueError as error:
        raise TrainingError(f"{error} (setting device)") from error
    task = build_task(settings)
    feed = build_feed(settings, placement, index)
    train_loop(task, settings, placement, feed=feed, storage=open_output(settings), budget=budget)


def build_feed(settings: AnyTraining, placement: Placement, index: PhotoIndex) -> Feed:
    """Feed of this worker's batches: loaders, or photos on the device.

    Raises:
        TrainingError: the photos do not fit on the device, or cannot be used.
    """
    if not settings.data.on_device_mib:
        return process_feed(loader_spec(settings, placement), settings.data.loaders)
    data = sample_data(settings)
    photos = load_resident_photos(index, data, placement.device, threads=data.loaders)
    logger.info("%d MiB of photos are kept on %s", photos.pixels.numel() // MIB, placement.device)
    return resident_feed(photos, data, placement.plan(settings), seed=settings.seed)
