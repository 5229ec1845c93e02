"""Optimizer steps: gradients of some batches, clipped, then AdamW; and all state that the next step depends on."""

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pasd_batch.config.model import Precision
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.ema import WeightAverage
from pasd_batch.training.loop.learning_rate import learning_rate
from pasd_batch.training.loop.step_graph import Recordable, StepGraph
from pasd_batch.training.networks.trainable import computed_parameters, trained_parameters

_MOST_UNSOUND = 50
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class StepReport:
    """Report of one step."""

    losses: Mapping[str, Tensor]
    """The objective and its parts on this worker, means over the accumulated batches."""

    gradient_norm: Tensor
    """Before clipping; a scalar on the device, as reading it would wait for the step."""

    rate: float
    updated: Tensor
    """True, or false where a gradient was not a finite number and the step was left out; a scalar on the device."""


@dataclass
class StepState:
    """Everything but the settings that the following steps depend on; tensors on the CPU or the device."""

    weights: dict[str, Tensor]
    """Trained parameters, buffers that change, and parameters that were computed before the first step."""

    moments: dict[str, dict[str, Tensor]]
    """AdamW's two moving averages by their names."""

    averages: dict[str, Tensor]
    """Moving average of the weights; empty without."""

    numbers: dict[str, Any] = field(default_factory=dict)
    """`updates`, `unsound` and the gradient scaler's state."""


class Stepper:
    """Trains an objective, a step at a time; with several workers, all of them step together."""

    def __init__(self, objective: nn.Module, settings: TrainerSettings, device: torch.device, *, workers: int) -> None:
        self.objective = objective
        self.parameters = dict(trained_parameters(objective))
        self._settings = settings
        self._device = device
        # With several workers gradients are averaged over all, and the networks become those of worker 0.
        self._forward = DistributedDataParallel(objective) if workers > 1 else objective
        chosen = settings.optimizer
        self._optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=chosen.learning_rate,
            betas=chosen.betas,
            eps=chosen.epsilon,
            weight_decay=chosen.weight_decay,
            fused=True,
        )
        self._scaler = torch.GradScaler(device.type, enabled=settings.precision is Precision.FLOAT16)
        self.average = None if settings.ema_decay is None else WeightAverage(self.parameters, settings.ema_decay)
        graphed = settings.cuda_graph and device.type == "cuda"
        self._graph = StepGraph(cast(Recordable, objective), self.parameters, self.autocast) if graphed else None
        self._updates = torch.zeros((), device=device)
        self._unsound = torch.zeros((), device=device)
        """Steps in a row without finite gradients. On the device, as `_updates` is: no step waits to read them."""

    def step(self, step: int, batches: Iterable[NumberedBatch]) -> StepReport:
        """One optimizer step (counted from 0) on `accumulation` batches.

        Raises:
            TrainingError: gradients have not been finite numbers for many steps in a row.
        """
        losses = self._gradients(list(batches))
        rate = learning_rate(self._settings.optimizer, step, self._settings.steps)
        norm, updated = self.update(rate)
        self._optimizer.zero_grad(set_to_none=True)
        if (step + 1) % _MOST_UNSOUND == 0:
            self._refuse_unsound()
        return StepReport(losses, norm, rate, updated)

    def update(self, rate: float) -> tuple[Tensor, Tensor]:
        """Clip the gradients that the parameters have, and update these; the norm before, and true where it was finite.

        Both are scalars on the device.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        norm = self._clip()
        updated = torch.isfinite(norm)
        self._update(updated)
        return norm, updated

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision that the networks are called in."""
        if self._settings.precision is Precision.FLOAT32:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=getattr(torch, self._settings.precision.value))

    def averaged(self) -> AbstractContextManager[None]:
        """The networks with their averaged weights, if there is an average."""
        return nullcontext() if self.average is None else self.average.in_place()

    def state(self) -> StepState:
        """State that a checkpoint keeps; the tensors are those in use, not copies."""
        own = self._optimizer.state
        moments = {
            moment: {name: own[p][moment] for name, p in self.parameters.items() if p in own} for moment in _MOMENTS
        }
        numbers = {
            "updates": int(self._updates),
            "unsound": int(self._unsound),
            "scaler": self._scaler.state_dict(),
        }
        averages = {} if self.average is None else self.average.averages
        return StepState(self._weights(), moments, averages, numbers)

    @torch.no_grad()
    def restore(self, state: StepState) -> None:
        """Continue from a checkpoint of the same training.

        Raises:
            TrainingError: it holds other weights.
        """
        weights = self._weights()
        # Checkpoints of older versions lack some parameters that are initialised when a training begins.
        unkept = computed_parameters(self.objective) - self.parameters.keys() - state.weights.keys()
        if differing := sorted((weights.keys() - unkept) ^ state.weights.keys()):
            raise TrainingError(
                f"the checkpoint is of another training: {len(differing)} trained tensors differ, such as "
                f"{differing[0]}"
            )
        for name in weights.keys() - unkept:
            weights[name].copy_(state.weights[name])
        updates = state.numbers["updates"]
        for name, parameter in self.parameters.items():
            if name in state.moments[_MOMENTS[0]]:
                own = {moment: state.moments[moment][name].to(self._device, copy=True) for moment in _MOMENTS}
                self._optimizer.state[parameter] = {"step": torch.tensor(float(updates), device=self._device), **own}
        if self.average is not None:
            self.average.restore(state.averages)
        self._scaler.load_state_dict(state.numbers["scaler"])
        self._updates.fill_(updates)
        self._unsound.fill_(state.numbers["unsound"])

    def _gradients(self, batches: list[NumberedBatch]) -> dict[str, Tensor]:
        """Mean gradients over the batches and workers; returns this worker's mean losses."""
        if self._graph is not None and (recorded := self._graph.losses(batches[0].to(self._device))) is not None:
            return {name: loss.clone() for name, loss in recorded.items()}
        sums: dict[str, Tensor] = {}
        for index, made in enumerate(batches):
            with self._unless_last(index == len(batches) - 1):
                with self.autocast():
                    losses = cast(dict[str, Tensor], self._forward(made.to(self._device)))
                self._scaler.scale(losses["loss"] / len(batches)).backward()
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.detach() / len(batches)
        return sums

    def _unless_last(self, last: bool) -> AbstractContextManager[None]:
        # Workers exchange gradients once a step, not once a batch.
        waits = isinstance(self._forward, DistributedDataParallel) and not last
        return cast(DistributedDataParallel, self._forward).no_sync() if waits else nullcontext()

    def _clip(self) -> Tensor:
        self._scaler.unscale_(self._optimizer)
        limit = self._settings.optimizer.clip_norm
        return nn.utils.clip_grad_norm_(self.parameters.values(), math.inf if limit is None else limit)

    @torch.no_grad()
    def _update(self, updated: Tensor) -> None:
        """A step of the optimizer, which itself does nothing where a gradient was not finite."""
        cast(Any, self._optimizer).found_inf = 1.0 - updated.float()
        self._optimizer.step()
        self._scaler.update()
        if self.average is not None:
            self.average.update(self._updates, updated)
        self._updates += updated
        self._unsound.add_(1.0).mul_(~updated)

    def _refuse_unsound(self) -> None:
        if self._unsound >= _MOST_UNSOUND:
            raise TrainingError(
                f"gradients were not finite numbers for {int(self._unsound)} steps in a row; go back to an earlier "
                "checkpoint with a lower optimizer.learning_rate, or use another precision"
            )

    def _weights(self) -> dict[str, Tensor]:
        kept = self.objective.state_dict(keep_vars=True)
        others = {name for name, _ in self.objective.named_buffers()} | computed_parameters(self.objective)
        return {name: tensor.data for name, tensor in kept.items() if name in self.parameters or name in others}
