"""Random numbers of the degradations: every draw comes from one `torch.Generator`."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

_BLOCK = 128
Choice = TypeVar("Choice")


class Draws:
    """Random numbers for the parameters of degradations.

    They are drawn in blocks, so that a generator on a GPU costs one synchronisation per block.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._unused: list[float] = []

    def random(self) -> float:
        """Uniform in [0, 1)."""
        if not self._unused:
            device = self._generator.device
            block = torch.rand(_BLOCK, generator=self._generator, device=device, dtype=torch.float64)
            self._unused = block.tolist()
        return self._unused.pop()

    def uniform(self, interval: tuple[float, float]) -> float:
        """Uniform between the two ends."""
        low, high = interval
        return low + (high - low) * self.random()

    def skewed(self, interval: tuple[float, float]) -> float:
        """low + (high - low) u^2 with u uniform in [0, 1): values near `low` are more likely."""
        low, high = interval
        return low + (high - low) * self.random() ** 2

    def bernoulli(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def integer(self, count: int) -> int:
        """Uniform among 0 .. count - 1."""
        return min(int(self.random() * count), count - 1)

    def choice(self, weights: Mapping[Choice, float]) -> Choice:
        """One of the keys, with probability proportional to its weight."""
        possible = [choice for choice, weight in weights.items() if weight > 0.0]
        point = self.random() * sum(weights.values())
        for choice in possible:
            point -= weights[choice]
            if point < 0.0:
                return choice
        return possible[-1]


@runtime_checkable
class NoiseSource(Protocol):
    """Source of a degradation's noise tensors; tests substitute recorded ones."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Unit normal draws of this shape."""
        ...

    def poisson(self, rates: Tensor) -> Tensor:
        """One Poisson draw for each rate."""
        ...


class GeneratorNoise:
    """Noise drawn on the generator's device and copied to `device`: with a CPU generator it is the same everywhere."""

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
