"""The loop on Ray Train's `TorchTrainer`, its batches through Ray Data: the one adapter between training and Ray."""

import logging
import math
import tempfile
from collections.abc import Mapping
from typing import Any

from pasd_batch.config.training import AnyTraining, parse_training
from pasd_batch.errors import PasdBatchError
from pasd_batch.training.absolute_paths import with_absolute_paths
from pasd_batch.training.data.ray_feed import ray_feed
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.time_budget import TimeBudget
from pasd_batch.training.loop.training_loop import train_loop
from pasd_batch.training.ray_progress import steps_shown
from pasd_batch.training.worker_setup import build_task, loader_spec, open_output

logger = logging.getLogger(__name__)


def train_on_ray(settings: AnyTraining) -> None:
    """Run the loop on Ray workers; crashed ones are started again and go on from the last checkpoint.

    Without a Ray that this process is connected to, that of `RAY_ADDRESS` or a local one is used.

    Raises:
        KeyboardInterrupt: SIGINT, after the workers were ended.
        TrainingError: workers failed more than `workers.max_failures` times, or with an error of ours.
        CheckpointError, ManifestError, StorageError: from a worker.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    if not ray.is_initialized():
        ray.init(log_to_driver=True)
    # Workers run in folders of their own.
    settings = with_absolute_paths(settings)
    gpus = _gpus(settings)
    _warn_of_waiting(settings, gpus)
    resources = {"CPU": settings.workers.cpus, **({"GPU": gpus} if gpus else {})}
    with (
        tempfile.TemporaryDirectory() as scratch,
        steps_shown(settings.steps, bar=settings.log.progress) as board,
    ):
        # Checkpoints are ours, in the training's output; Ray keeps only notes on the run in the scratch folder.
        trainer = TorchTrainer(
            run_worker,
            train_loop_config={"settings": settings.model_dump(mode="json"), "board": board},
            scaling_config=ScalingConfig(
                num_workers=settings.workers.count, use_gpu=gpus > 0, resources_per_worker=resources
            ),
            run_config=RunConfig(
                storage_path=scratch, failure_config=FailureConfig(max_failures=settings.workers.max_failures)
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise _own_error(error) from error
        except SystemExit:
            # What Ray Train, which handles SIGINT itself, does at the end of it.
            raise KeyboardInterrupt from None


def run_worker(config: dict[str, Any]) -> None:
    """One worker's part of a training."""
    import ray.train
    import ray.train.torch
    import torch

    settings = parse_training(config["settings"])
    context = ray.train.get_context()
    torch.set_num_threads(max(1, math.floor(settings.workers.cpus)))
    device = ray.train.torch.get_device()
    placement = Placement(device, rank=context.get_world_rank(), world_size=context.get_world_size())

    def report(values: Mapping[str, float]) -> None:
        ray.train.report(dict(values))
        if placement.rank == 0:
            config["board"].write.remote(0, (int(values["step"]), values["loss"]))

    train_loop(
        build_task(settings),
        settings,
        placement,
        feed=ray_feed(loader_spec(settings, placement), settings.data),
        storage=open_output(settings),
        budget=TimeBudget(settings.stop_after),
        on_log=report,
    )


def _gpus(settings: AnyTraining) -> float:
    import ray

    if settings.workers.gpus is not None:
        return settings.workers.gpus
    if ray.cluster_resources().get("GPU", 0.0) > 0:
        return 1.0
    logger.warning("no GPU in the cluster: training on CPUs; to wait for GPUs that it will start set workers.gpus: 1")
    return 0.0


def _warn_of_waiting(settings: AnyTraining, gpus: float) -> None:
    """Say so where the cluster must grow before training can begin: Ray waits without a word."""
    import ray

    workers, there = settings.workers, ray.cluster_resources()
    needed = {"CPU": workers.count * (workers.cpus + settings.data.loader_cpus), "GPU": workers.count * gpus}
    short = {name: amount for name, amount in needed.items() if there.get(name, 0.0) < amount}
    if short:
        have = ", ".join(f"{there.get(name, 0.0):g} of {amount:g} {name}s" for name, amount in short.items())
        logger.warning(
            "the cluster has %s that workers and a loader each need; training waits until it has grown - where it does "
            "not grow, lower workers.count, workers.cpus, workers.gpus or data.loader_cpus, or set workers.ray: false",
            have,
        )


def _own_error(error: Exception) -> Exception:
    """The `PasdBatchError` that ended a worker, else a `TrainingError` with the cause."""
    failures = getattr(error, "worker_failures", {})
    for failure in failures.values():
        cause = getattr(failure, "_base_exc", failure)
        if isinstance(cause, PasdBatchError):
            return cause
    return TrainingError(
        f"the workers failed too often (workers.max_failures); the last checkpoint is kept, and the same command goes "
        f"on from there: {error}"
    )
