"""Random numbers of the degradations: every draw comes from one `torch.Generator`."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

_BLOCK = 128
Choice = TypeVar("Choice")


class Draws:
    """Plain random numbers for parameters.

    They are fetched in blocks, so that a generator on a GPU costs one synchronisation a block and not one a number.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._unused: list[float] = []

    def fraction(self) -> float:
        """Uniform in [0, 1)."""
        if not self._unused:
            device = self._generator.device
            block = torch.rand(_BLOCK, generator=self._generator, device=device, dtype=torch.float64)
            self._unused = block.tolist()
        return self._unused.pop()

    def uniform(self, interval: tuple[float, float]) -> float:
        """Uniform between the two ends."""
        low, high = interval
        return low + (high - low) * self.fraction()

    def skewed(self, interval: tuple[float, float]) -> float:
        """Between the two ends with density falling from the low end: the square of a uniform fraction of the way."""
        low, high = interval
        return low + (high - low) * self.fraction() ** 2

    def flag(self, probability: float) -> bool:
        """True with this probability; never at 0, always at 1."""
        return self.fraction() < probability

    def index(self, count: int) -> int:
        """Uniform among 0 .. count - 1."""
        return min(int(self.fraction() * count), count - 1)

    def weighted(self, weights: Mapping[Choice, float]) -> Choice:
        """One of the keys, as often as its relative weight says; never one whose weight is 0."""
        possible = [choice for choice, weight in weights.items() if weight > 0.0]
        point = self.fraction() * sum(weights.values())
        for choice in possible:
            point -= weights[choice]
            if point < 0.0:
                return choice
        return possible[-1]


@runtime_checkable
class NoiseSource(Protocol):
    """Source of a degradation's noise tensors; tests replay recorded ones."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Unit normal draws of this shape."""
        ...

    def poisson(self, rates: Tensor) -> Tensor:
        """One Poisson draw for each rate."""
        ...


class GeneratorNoise:
    """Noise drawn where the generator is, then brought to `device`: a CPU generator gives the same everywhere."""

    def __init__(self, generator: torch.Generator, *, device: torch.device) -> None:
        self._generator = generator
        self._device = device

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Unit normal float32 draws of this shape."""
        draw = torch.randn(tuple(shape), generator=self._generator, device=self._generator.device)
        return draw.to(self._device)

    def poisson(self, rates: Tensor) -> Tensor:
        """One Poisson draw for each rate."""
        return torch.poisson(rates.to(self._generator.device), generator=self._generator).to(self._device)
