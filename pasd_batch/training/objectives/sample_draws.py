"""Random numbers of a batch's diffusion: a function of seed, sample number and position alone, on any device.

Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011):
no state, so that a sample's noise is the same in any batch and on any number of workers, and a GPU draws it without a
loop.
"""

from collections.abc import Sequence
from math import pi, prod

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF

Words = tuple[Tensor, Tensor, Tensor, Tensor]


class SampleDraws:
    """Random draws of the samples with these numbers; the n-th call returns the n-th draw of each sample."""

    def __init__(self, seed: int, numbers: Int64[Tensor, " batch"]) -> None:
        self._key = (seed & _LOW, (seed >> 32) & _LOW)
        self._numbers = numbers
        self._drawn = 0

    def normal(self, shape: Sequence[int]) -> Float[Tensor, "batch *shape"]:
        """Unit normal draws, `shape` for each sample, by the transform of Box and Muller."""
        first, second, third, fourth = map(_fractions, self._words(prod(shape)))
        normal = torch.stack([*_box_muller(first, second), *_box_muller(third, fourth)], dim=-1)
        return normal.flatten(1)[:, : prod(shape)].unflatten(1, tuple(shape))

    def integers(self, count: int) -> Int64[Tensor, " batch"]:
        """One of 0 .. count - 1 for each sample."""
        word = self._words(1)[0][:, 0]
        return (word * count) >> 32

    def fractions(self) -> Float[Tensor, " batch"]:
        """Uniform in [0, 1), one for each sample."""
        word = self._words(1)[0][:, 0]
        return (word >> 8).float() / 2.0**24

    def _words(self, count: int) -> Words:
        """At least `count` random words of 32 bits for each sample, in four parts (batch, count / 4)."""
        numbers = self._numbers
        blocks = torch.arange(-(-count // 4), device=numbers.device)[None, :]
        low, high = (numbers & _LOW)[:, None], ((numbers >> 32) & _LOW)[:, None]
        self._drawn += 1
        draw = torch.full_like(blocks, self._drawn)
        return philox((blocks, draw, low, high), self._key)


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Four random words for each counter of four words; int64 tensors that hold 32 bits without sign."""
    first, second, third, fourth = torch.broadcast_tensors(*counter)
    for step in range(_ROUNDS):
        keys = [(word + step * change) & _LOW for word, change in zip(key, _KEY_STEPS, strict=True)]
        # The products wrap around 64 bits, and so are right as bits.
        one, two = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, second, third, fourth = (
            ((two >> 32) & _LOW) ^ second ^ keys[0],
            two & _LOW,
            ((one >> 32) & _LOW) ^ fourth ^ keys[1],
            one & _LOW,
        )
    return first, second, third, fourth


def _fractions(words: Tensor) -> Float[Tensor, "batch words"]:
    """Uniform in (0, 1]."""
    return (words.float() + 0.5) * 2.0**-32


def _box_muller(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    radius = (-2.0 * first.log()).sqrt()
    angle = 2.0 * pi * second
    return radius * angle.cos(), radius * angle.sin()
