"""The training loop: optimizer steps, log lines, validation and checkpoints, independent of Ray."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from itertools import islice

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.batch_maker import Feed, NumberedBatch
from pasd_batch.training.data.prefetch import prefetched
from pasd_batch.training.loop.acceleration import accelerate
from pasd_batch.training.loop.checkpoints import load_latest
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.rank_zero import RankZero, line_due
from pasd_batch.training.loop.step_window import StepWindow
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.loop.task import TrainingTask
from pasd_batch.training.loop.time_budget import TimeBudget
from pasd_batch.training.networks.frozen import check_frozen, frozen_digests
from pasd_batch.training.networks.loss_networks import prepare_loss_networks

OnLog = Callable[[Mapping[str, float]], None]
"""Called on every worker whenever a line is written."""


def train_loop(
    task: TrainingTask,
    settings: TrainerSettings,
    placement: Placement,
    *,
    feed: Feed,
    storage: Storage,
    budget: TimeBudget,
    on_log: OnLog | None = None,
) -> None:
    """Train from the last checkpoint (or the start) to the last step or the budget's end, and store the model.

    All workers run this; with several, torch.distributed must be set up. A resumed training takes the very steps that
    an uninterrupted one would: nothing random is drawn but from seeds and sample numbers.

    Raises:
        TrainingError: training cannot go on.
        StorageError: the output cannot be written.
    """
    task.objective.to(placement.device)
    task.prepare()
    accelerate(task.networks_in_use, settings)
    stepper = Stepper(task.objective, settings, placement.device, workers=placement.world_size)
    frozen = frozen_digests(task.objective, stepper.state().weights)
    prepare_loss_networks(task.loss_networks, settings.precision, placement.device)
    first_step, skipped = _resume(stepper, storage, frozen)
    window = StepWindow(placement, skipped)
    numbers = placement.plan(settings).batches(first_step, settings.steps)
    rank_zero = RankZero(task, settings, stepper, storage, first_step, frozen) if placement.rank == 0 else None
    with closing(_iterate(feed, numbers)) as source, closing(prefetched(source, placement.device)) as batches:
        for step in range(first_step, settings.steps):
            made = list(islice(batches, settings.accumulation))
            window.add(stepper.step(step, made), made)
            values, is_last = None, False
            if line_due(step + 1, settings):
                saving = 0.0 if rank_zero is None else rank_zero.saving_seconds
                values, is_last = window.close(ends=budget.is_running_out(saving))
            if values is not None and on_log is not None:
                on_log({"step": step + 1, **values})
            if rank_zero is not None:
                rank_zero.after_step(step + 1, values, skipped=window.all_skipped, is_last=is_last)
            if is_last:
                break
    if rank_zero is not None:
        rank_zero.finish()


def _resume(stepper: Stepper, storage: Storage, frozen: Mapping[str, str]) -> tuple[int, int]:
    """Restore the latest checkpoint, if there is one; the numbers of steps done and of photos skipped."""
    checkpoint = load_latest(storage)
    if checkpoint is None:
        return 0, 0
    check_frozen(checkpoint.facts.get("frozen"), frozen)
    stepper.restore(checkpoint.state)
    return checkpoint.step, checkpoint.facts["skipped"]


def _iterate(feed: Feed, numbers: range) -> Generator[NumberedBatch]:
    # A generator of our own, so that the feed's processes end with the loop, however it ends.
    yield from feed(numbers)
