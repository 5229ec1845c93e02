"""Perceptual distance of the training losses."""

from typing import Any, cast

from torch import nn

from pasd_batch.training.errors import TrainingError


def load_perceptual_distance(network: str, *, setting: str) -> nn.Module:
    """ST-LPIPS (arXiv 2207.13686) on `alex` or `vgg`: two batches in [-1, 1] -> a distance each; frozen.

    Args:
        network: `alex` or `vgg`.
        setting: what asks for it, for the error's message.

    Raises:
        TrainingError: the package is not installed.
    """
    try:
        from stlpips_pytorch import stlpips  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise TrainingError(
            f"{setting} needs the package stlpips-pytorch, which cannot be imported ({error}); "
            "run `pip install stlpips-pytorch ipython torchsummary`, or set it to 0"
        ) from error
    distance = cast(Any, stlpips).LPIPS(net=network, variant="shift_tolerant", verbose=False)
    return distance.eval().requires_grad_(False)
