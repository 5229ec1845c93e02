"""Training crops for data-dependent initialisation (principal components, least squares)."""

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.dataset import TrainingBatch
from pasd_batch.training.data.photo_index import list_photos, load_index

_COUNT = 256


def initialization_batch(settings: TrainerSettings) -> TrainingBatch:
    """A training's first samples, always the same."""
    data = settings.data
    output = Storage.open(settings.output, data.storage)
    index = load_index(output, data.storage) or list_photos(data.sources, data.storage)
    # Every photo is decoded once.
    data = data.model_copy(update={"cache_bytes": 0})
    return BatchMaker(index, data, seed=settings.seed).make(range(_COUNT)).batch
