"""Convolutions of a network in ncnn's two files: `.param` (text, one layer a line) and `.bin` (weights, in its order).

The format is described in ncnn's wiki, "param and model file structure".
"""

from dataclasses import dataclass

import numpy as np

_TEXT_MAGIC = "7767517"
_FLOAT16 = 0x01306B47
_OUTPUTS, _KERNEL, _HAS_BIAS, _WEIGHTS = "0", "1", "5", "6"


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution's weight (outputs, inputs, side, side) and bias (outputs)."""

    weight: np.ndarray
    bias: np.ndarray


def read_convolutions(param: str, weights: bytes) -> list[Convolution]:
    """All convolutions, in the order of the network; no other layer may have weights.

    Raises:
        ValueError: the files are not ncnn's, have weights that are not in float16, or do not belong together.
    """
    magic, _, *layers = param.splitlines()
    if magic.strip() != _TEXT_MAGIC:
        raise ValueError(f"not ncnn's .param: it begins with {magic[:20]!r} instead of {_TEXT_MAGIC}")
    found, offset = [], 0
    for layer in layers:
        kind, _, inputs, outputs, *rest = layer.split()
        if kind == "Convolution":
            options = dict(option.split("=", 1) for option in rest[int(inputs) + int(outputs) :])
            convolution, offset = _read(weights, offset, options)
            found.append(convolution)
    if offset != len(weights):
        raise ValueError(f"the .bin has {len(weights)} bytes, of which the .param's convolutions take {offset}")
    return found


def _read(weights: bytes, offset: int, options: dict[str, str]) -> tuple[Convolution, int]:
    outputs, side, count = (int(options[key]) for key in (_OUTPUTS, _KERNEL, _WEIGHTS))
    if options.get(_HAS_BIAS) != "1":
        raise ValueError(f"a convolution of {outputs} outputs has no bias")
    (flag,) = np.frombuffer(weights, "<u4", 1, offset)
    if flag != _FLOAT16:
        raise ValueError(f"weights at byte {offset} are not in float16 (flag {flag:#x})")
    weight = np.frombuffer(weights, "<f2", count, offset + 4)
    # Float16 weights are filled up to whole words.
    offset += 4 + -(-2 * count // 4) * 4
    bias = np.frombuffer(weights, "<f4", outputs, offset)
    shape = (outputs, count // (outputs * side * side), side, side)
    return Convolution(weight.reshape(shape).copy(), bias.copy()), offset + 4 * outputs
