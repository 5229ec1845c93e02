"""CUDA graphs of a training step's losses and gradients: thousands of kernels with one launch.

A small model's step is limited by Python, which launches its kernels one by one. A graph is recorded once for batches
of one size and then replayed on other values, with the same kernels.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.objectives.step_inputs import StepInputs

logger = logging.getLogger(__name__)

_EAGER_STEPS = 3
"""Eager warm-up steps before the first capture, in which libraries allocate their workspaces."""


@runtime_checkable
class Recordable(Protocol):
    """An objective whose losses are a function of tensors on the device."""

    def inputs(self, made: NumberedBatch) -> StepInputs:
        """All that the losses of a batch depend on, beside the networks."""
        ...

    def losses(self, inputs: StepInputs) -> dict[str, Tensor]:
        """The objective (`loss`) and its parts."""
        ...


@runtime_checkable
class Recording(Protocol):
    """A captured graph, which replays on the same memory."""

    def replay(self) -> None:
        """Launch the captured kernels."""
        ...


Record = Callable[[Callable[[], None]], Recording]
"""Captures a function's kernels without executing them."""


def record_cuda_graph(work: Callable[[], None]) -> Recording:
    """Record the work as a CUDA graph. Other threads may use the GPU meanwhile, on streams of their own."""
    graph = torch.cuda.CUDAGraph()
    current = torch.cuda.current_stream()
    torch.cuda.synchronize()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            work()
    finally:
        # torch leaves its capturing stream current when it cannot end a capture.
        torch.cuda.set_stream(current)
    return graph


class StepGraph:
    """Gradients of batches by one graph per kind of inputs; without graphs, with one warning, if capturing fails."""

    def __init__(
        self,
        objective: Recordable,
        parameters: Mapping[str, nn.Parameter],
        autocast: Callable[[], AbstractContextManager[Any]],
        record: Record = record_cuda_graph,
    ) -> None:
        self._objective = objective
        self._parameters = parameters
        self._autocast = autocast
        self._record = record
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._eager_steps = 0
        self._refused = False

    def losses(self, made: NumberedBatch) -> dict[str, Tensor] | None:
        """Losses of a batch, with gradients set on the parameters; None if this step must run eagerly."""
        if self._refused or self._eager_steps < _EAGER_STEPS:
            self._eager_steps += 1
            return None
        inputs = self._objective.inputs(made)
        graph = self._graphs.get(inputs.kind)
        if graph is None:
            graph = self._recorded(inputs)
            if graph is None:
                return None
            self._graphs[inputs.kind] = graph
        return graph.losses(inputs)

    def _recorded(self, inputs: StepInputs) -> "_Graph | None":
        try:
            return _Graph(self._objective, self._parameters, self._autocast, self._record, inputs)
        except RuntimeError as error:
            self._refused = True
            logger.warning("training goes on without CUDA graphs, because none could be recorded: %s", error)
            for parameter in self._parameters.values():
                parameter.grad = None
            return None


class _Graph:
    """A captured step with the memory of its inputs, losses and gradients."""

    def __init__(
        self,
        objective: Recordable,
        parameters: Mapping[str, nn.Parameter],
        autocast: Callable[[], AbstractContextManager[Any]],
        record: Record,
        inputs: StepInputs,
    ) -> None:
        self._inputs = inputs.copy()
        self._losses: dict[str, Tensor] = {}
        self._parameters = list(parameters.values())
        for parameter in self._parameters:
            parameter.grad = None

        def work() -> None:
            with autocast():
                losses = objective.losses(self._inputs)
            losses["loss"].backward()
            self._losses = {name: loss.detach() for name, loss in losses.items()}

        self._recording = record(work)
        self._gradients = [parameter.grad for parameter in self._parameters]

    def losses(self, inputs: StepInputs) -> dict[str, Tensor]:
        for own, given in zip(self._inputs.tensors, inputs.tensors, strict=True):
            own.copy_(given)
        self._recording.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._losses
