"""Errors of the kernels' gradients against torch's autograd in float64.

As a script it runs on Triton's interpreter, which has to be chosen before anything imports Triton.
"""

import json
import os
import sys
from collections.abc import Sequence

import torch

SHAPES = (
    (2, 16, 5, 7, 2),
    (2, 24, 9, 13, 8),
    (1, 80, 11, 6, 16),
    (1, 1280, 3, 5, 32),
    (2, 4, 1, 1, 4),
    (1, 8, 47, 45, 2),
)
"""Samples, channels, height, width, groups: odd sides, one pixel, many channels, more parts than are summed at once."""

PRECISIONS = ("float32", "bfloat16", "float16")
NAMES = ("features", "weight", "bias", "shift")


def gradient_errors(
    device: str, shapes: Sequence[tuple[int, ...]] = SHAPES, precisions: Sequence[str] = PRECISIONS
) -> dict[str, float]:
    """Largest error of each gradient, relative to the largest value of that gradient."""
    errors: dict[str, float] = {}
    for shape, precision, with_silu in cases(shapes, precisions):
        for name, error in _group_norm_errors(shape, getattr(torch, precision), with_silu, device).items():
            errors[case_name(shape, precision, with_silu, name)] = error
    for precision in precisions:
        errors[f"geglu {precision}"] = _geglu_error(getattr(torch, precision), device)
    return errors


def cases(
    shapes: Sequence[tuple[int, ...]] = SHAPES, precisions: Sequence[str] = PRECISIONS
) -> list[tuple[tuple[int, ...], str, bool]]:
    """All shapes in float32 with SiLU; one without, and in the other precisions."""
    first = [(shapes[0], precision, with_silu) for precision in precisions for with_silu in (False, True)]
    return first + [(shape, precisions[0], True) for shape in shapes[1:]]


def case_name(shape: tuple[int, ...], precision: str, with_silu: bool, name: str) -> str:
    return f"{'x'.join(map(str, shape))} {precision}{' silu' if with_silu else ''} {name}"


def _group_norm_errors(
    shape: tuple[int, ...], precision: torch.dtype, with_silu: bool, device: str
) -> dict[str, float]:
    from pasd_batch.pasd.kernel_gradients import group_norm_channels_last

    *size, groups = shape
    generator = torch.Generator().manual_seed(2)
    # A mean beside the deviation, which would show cancellation; weights in float32, as trainings have them.
    features = (torch.randn(size, generator=generator) + 3).to(device, precision)
    features = features.to(memory_format=torch.channels_last).requires_grad_()
    weight, bias = (each.to(device).requires_grad_() for each in torch.randn(2, size[1], generator=generator))
    shift = torch.randn(size[:2], generator=generator).to(device).requires_grad_()
    given = torch.randn(size, generator=generator).to(device, precision)
    result = group_norm_channels_last(features, groups, weight, bias, 1e-5, shift=shift, with_silu=with_silu)
    assert result.dtype == precision
    inputs = (features, weight, bias, shift)
    own = torch.autograd.grad(result, inputs, given, retain_graph=True)
    assert own[0].is_contiguous(memory_format=torch.channels_last)
    again = torch.autograd.grad(result, inputs, given)
    assert all(torch.equal(first, second) for first, second in zip(own, again, strict=True)), "not deterministic"
    exact = tuple(each.detach().double().requires_grad_() for each in inputs)
    expected = torch.nn.functional.group_norm(exact[0] + exact[3][:, :, None, None], groups, *exact[1:3], 1e-5)
    expected = torch.nn.functional.silu(expected) if with_silu else expected
    gradients = torch.autograd.grad(expected, exact, given.double())
    return {name: _relative(*pair) for name, *pair in zip(NAMES, own, gradients, strict=True)}


def _geglu_error(precision: torch.dtype, device: str) -> float:
    from pasd_batch.pasd.kernel_gradients import geglu

    generator = torch.Generator().manual_seed(4)
    projected = (3 * torch.randn(2, 3, 2 * 1100, generator=generator)).to(device, precision).requires_grad_()
    given = torch.randn(2, 3, 1100, generator=generator).to(device, precision)
    (own,) = torch.autograd.grad(geglu(projected), projected, given)
    exact = projected.detach().double().requires_grad_()
    values, gate = exact.chunk(2, dim=-1)
    (expected,) = torch.autograd.grad(values * torch.nn.functional.gelu(gate), exact, given.double())
    return _relative(own, expected)


def _relative(own: torch.Tensor, expected: torch.Tensor) -> float:
    # One pixel a group: everything is taken back, and nothing is left to relate to.
    return float((own.double() - expected).abs().max() / expected.abs().max().clamp(min=1e-2))


if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"
    from pasd_batch.pasd.fused import working_kernels

    assert working_kernels(torch.device("cpu"), with_gradients=True) is not None
    json.dump(gradient_errors("cpu"), sys.stdout)
