"""Errors of the kernels against torch's in float64, for shapes that are hard in one way or another.

As a script it runs on Triton's interpreter, which has to be chosen before anything imports Triton.
"""

import json
import os
import sys
from collections.abc import Sequence

import torch

SHAPES = ((2, 80, 16, 16, 16), (3, 80, 9, 17, 4), (2, 36, 1, 3, 4), (2, 4, 1, 1, 4), (2, 8, 65, 65, 1))
"""Samples, channels, height, width, groups: parts that are full or not, one pixel, one channel, more parts than fit."""

PRECISIONS = ("float32", "bfloat16", "float16")


def group_norm_errors(
    device: str, shapes: Sequence[tuple[int, ...]] = SHAPES, precisions: Sequence[str] = PRECISIONS
) -> dict[str, float]:
    """Largest error relative to 1 + the value's size, by shape, precision and whether SiLU is behind it."""
    return {
        case_name(shape, precision, with_silu): _error(shape, getattr(torch, precision), with_silu, device)
        for shape in shapes
        for precision in precisions
        for with_silu in (False, True)
    }


def geglu_errors(device: str, precisions: Sequence[str] = PRECISIONS) -> dict[str, float]:
    """Largest error of GEGLU, by precision, for rows wider than one block."""
    from pasd_batch.pasd.kernels import geglu

    errors: dict[str, float] = {}
    for precision in precisions:
        generator = torch.Generator().manual_seed(4)
        projected = (3 * torch.randn(2, 3, 2 * 1100, generator=generator)).to(device, getattr(torch, precision))
        values, gate = projected.double().chunk(2, dim=-1)
        errors[f"geglu {precision}"] = _largest(geglu(projected), values * torch.nn.functional.gelu(gate))
    return errors


def _largest(result: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((result.double() - expected).abs() / (1 + expected.abs())).max())


def case_name(shape: tuple[int, ...], precision: str, with_silu: bool) -> str:
    return f"{'x'.join(map(str, shape))} {precision}{' silu' if with_silu else ''}"


def _error(shape: tuple[int, ...], precision: torch.dtype, with_silu: bool, device: str) -> float:
    from pasd_batch.pasd.kernels import group_norm_channels_last

    *size, groups = shape
    generator = torch.Generator().manual_seed(2)
    # A mean that is large beside the deviation, which would show cancellation.
    features = (torch.randn(size, generator=generator) + 30).to(device, precision)
    features = features.to(memory_format=torch.channels_last)
    weight, bias = torch.randn(2, size[1], generator=generator).to(device, precision)
    # A shift with one of the two, so that both forms are seen.
    shift = torch.randn(size[:2], generator=generator).to(device, precision) if with_silu else None
    result = group_norm_channels_last(features, groups, weight, bias, 1e-5, shift=shift, with_silu=with_silu)
    shifted = features.double() if shift is None else features.double() + shift.double()[:, :, None, None]
    expected = torch.nn.functional.group_norm(shifted, groups, weight.double(), bias.double(), 1e-5)
    expected = torch.nn.functional.silu(expected) if with_silu else expected
    assert result.dtype == precision
    assert result.is_contiguous(memory_format=torch.channels_last)
    own = None if shift is None else shift[:1]
    first = group_norm_channels_last(features[:1], groups, weight, bias, 1e-5, shift=own, with_silu=with_silu)
    assert torch.equal(first, result[:1]), "a sample depends on its neighbours"
    return _largest(result, expected)


if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"
    json.dump(group_norm_errors("cpu") | geglu_errors("cpu"), sys.stdout)
