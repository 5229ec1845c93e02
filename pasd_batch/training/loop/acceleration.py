"""Memory layout and compiling of the networks on the training's device: a matter of speed alone."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from pasd_batch.config.model import Precision
from pasd_batch.config.trainer import TrainerSettings


def accelerate(networks: Sequence[nn.Module], settings: TrainerSettings) -> None:
    """Lay out and compile networks as the settings wish; names and values of their weights stay.

    In low precision, what stays in float32 (the VAE) may use TensorFloat-32 on GPUs that have it.
    """
    for network in networks:
        if settings.channels_last:
            cast(Any, network).to(memory_format=torch.channels_last)
        if settings.compile:
            network.compile()
    if settings.precision is not Precision.FLOAT32:
        torch.backends.cuda.matmul.allow_tf32 = True
