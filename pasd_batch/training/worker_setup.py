"""Construction of a worker's task, loader specification and storage from the training's settings."""

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.config.training import AnyTraining, TrainingSettings
from pasd_batch.config.training_data import TrainingDataSettings
from pasd_batch.storage.storage import Storage
from pasd_batch.training.ablations import ablated
from pasd_batch.training.data.process_feed import LoaderSpec
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.task import TrainingTask
from pasd_batch.training.pasd_task import build_pasd_task
from pasd_batch.training.pinned_weights import with_kept_weights
from pasd_batch.training.vae_task import build_vae_task


def build_task(settings: AnyTraining) -> TrainingTask:
    """The training's networks and objective, on the CPU.

    Raises:
        CheckpointError: a model folder is missing, or does not hold what it should.
        TrainingError: nothing would be trained, or a package is missing.
        StorageError, UnfitWeights: weights that are named by an address cannot be had, or are others than needed.
    """
    settings = with_kept_weights(open_output(settings), settings)
    return build_pasd_task(settings) if isinstance(settings, TrainingSettings) else build_vae_task(settings)


def loader_spec(settings: AnyTraining, placement: Placement) -> LoaderSpec:
    """Specification of this worker's batches."""
    return LoaderSpec(settings.output, sample_data(settings).model_dump_json(), settings.seed, placement.plan(settings))


def sample_data(settings: AnyTraining) -> TrainingDataSettings:
    """The training set as the training's ablations leave it."""
    return ablated(settings).data if isinstance(settings, TrainingSettings) else settings.data


def open_output(settings: TrainerSettings) -> Storage:
    """The training's output.

    Raises:
        StorageError: its URI is malformed or not allowed.
    """
    return Storage.open(settings.output, settings.data.storage)
