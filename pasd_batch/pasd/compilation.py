"""Regional compilation: a network's repeated blocks are compiled once per kind and shape."""

from collections.abc import Callable
from typing import Any

import torch._dynamo.config
from diffusers.models.modeling_utils import ModelMixin

_SHAPES_OF_A_BLOCK = 512
"""Compiled forms of a kind of block that are kept: a network has some 20 for each shape of a batch of tiles. Beyond
torch's own limit of 8 it would go on uncompiled."""


def compile_blocks(network: ModelMixin, *, backend: str | Callable[..., Any] = "inductor") -> None:
    """Compile a network's repeated blocks, each when it first sees a shape.

    Shapes are not made variable, as torch does when it sees a second one: what a photo gives would depend on the
    photos before it.
    """
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, _SHAPES_OF_A_BLOCK)
    limits.accumulated_recompile_limit = max(limits.accumulated_recompile_limit, 8 * _SHAPES_OF_A_BLOCK)
    network.compile_repeated_blocks(dynamic=False, backend=backend)
