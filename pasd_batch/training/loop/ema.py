"""Exponential moving average (EMA) of the weights, which validation and export use."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_EARLY = 10


class WeightAverage:
    """Float32 averages of the trained parameters.

    The decay grows as (1 + n) / (10 + n) with the number of updates n until it reaches `decay`, so that the random
    start is soon forgotten.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.averages = {name: parameter.detach().clone().float() for name, parameter in parameters.items()}
        self._parameters = dict(parameters)
        self._decay = decay

    @torch.no_grad()
    def update(self, updates: Tensor, updated: Tensor) -> None:
        """Take in the present weights where `updated` is 1, nothing where it is 0.

        `updates` is the number of updates before this one; both are scalars on the weights' device, which is not waited
        for.
        """
        decay = ((1.0 + updates) / (_EARLY + updates)).clamp(max=self._decay)
        averages = list(self.averages.values())
        changes = torch._foreach_sub([parameter.float() for parameter in self._parameters.values()], averages)
        torch._foreach_mul_(changes, (1.0 - decay) * updated)
        torch._foreach_add_(averages, changes)

    @torch.no_grad()
    def restore(self, averages: Mapping[str, Tensor]) -> None:
        """Continue from these averages."""
        for name, average in self.averages.items():
            average.copy_(averages[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The networks with the averages as their weights, for as long as the context lasts.

        Their own weights wait in main memory: a GPU that training fills has no room for another copy.
        """
        present = {name: parameter.detach().to("cpu", copy=True) for name, parameter in self._parameters.items()}
        self._assign(self.averages)
        try:
            yield
        finally:
            self._assign(present)

    @torch.no_grad()
    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
