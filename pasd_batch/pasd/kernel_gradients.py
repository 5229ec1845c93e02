"""Triton kernels with gradients: group normalisation and GEGLU in trainings whose features stay channels-last.

Forwards are those of `kernels.py`. Sums over pixels are taken in float32 of parts in a fixed order, without atomic
additions, so that a resumed training takes the very same steps. Importing it needs Triton.
"""

# The arguments of kernels have no types of Python's, and Triton adds options to each launch.
# ruff: noqa: ANN001, ANN202
# pyright: basic, reportCallIssue=false

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from pasd_batch.pasd import kernels

_ROWS, _CHANNELS, _WARPS = 64, 64, 8
_PARTS = 32
_GATED = 1024


@triton.jit
@no_type_check
def _before_activation(features, gradient, centre, scale, weight, bias, WITH_SILU: tl.constexpr):
    """Normalised values, and the gradient on what the activation reads; scalars are those of each channel."""
    normalised = (features.to(tl.float32) - centre[None, :]) * scale[None, :]
    gradient = gradient.to(tl.float32)
    if WITH_SILU:
        read = normalised * weight[None, :] + bias[None, :]
        share = tl.sigmoid(read)
        gradient *= share * (1.0 + read * (1.0 - share))
    return normalised, gradient


@triton.jit
@no_type_check
def _part_sums_kernel(
    features, gradient, centre, scale, weight, bias, sums, products, totals, rows, channels,
    WITH_SILU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Sums for each channel over one part of a sample's rows: of the gradient, of it times the normalised values, and
    of these themselves."""
    sample, part, first = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2) * CHANNELS
    row = part * ROWS + tl.arange(0, ROWS)
    channel = first + tl.arange(0, CHANNELS)
    known = channel < channels
    inside = (row < rows)[:, None] & known[None, :]
    at = sample * rows * channels + row[:, None] * channels + channel[None, :]
    normalised, gradient = _before_activation(
        tl.load(features + at, mask=inside, other=0.0),
        tl.load(gradient + at, mask=inside, other=0.0),
        tl.load(centre + sample * channels + channel, mask=known, other=0.0),
        tl.load(scale + sample * channels + channel, mask=known, other=0.0),
        tl.load(weight + channel, mask=known, other=0.0).to(tl.float32),
        tl.load(bias + channel, mask=known, other=0.0).to(tl.float32),
        WITH_SILU,
    )
    out = (sample * tl.num_programs(1) + part) * channels + channel
    tl.store(sums + out, tl.sum(gradient, axis=0), mask=known)
    tl.store(products + out, tl.sum(gradient * normalised, axis=0), mask=known)
    tl.store(totals + out, tl.sum(tl.where(inside, normalised, 0.0), axis=0), mask=known)


@triton.jit
@no_type_check
def _sums_kernel(
    part_sums, part_products, part_totals, scale, weight, sums, products, of_shift, mean, slope,
    rows, parts, channels, width, PARTS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The sums of a group's channels over all parts; what mean and scale of the group would take back; and the gradient
    on what was added to a channel, which is the sum of that on its features."""
    sample, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    inner = tl.arange(0, WIDTH)
    channel = group * width + inner
    known = inner < width
    total, product, values = tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32)
    for start in range(0, parts, PARTS):
        part = start + tl.arange(0, PARTS)
        inside = (part < parts)[:, None] & known[None, :]
        at = (sample * parts + part[:, None]) * channels + channel[None, :]
        total += tl.sum(tl.load(part_sums + at, mask=inside, other=0.0), axis=0)
        product += tl.sum(tl.load(part_products + at, mask=inside, other=0.0), axis=0)
        values += tl.sum(tl.load(part_totals + at, mask=inside, other=0.0), axis=0)
    factor = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    out = sample * channels + channel
    tl.store(sums + out, total, mask=known)
    tl.store(products + out, product, mask=known)
    of_mean = tl.sum(total * factor) / (rows * width)
    of_scale = tl.sum(product * factor) / (rows * width)
    moved = tl.load(scale + out, mask=known, other=0.0) * (total * factor - rows * of_mean - values * of_scale)
    tl.store(of_shift + out, moved, mask=known)
    tl.store(mean + out, tl.zeros([WIDTH], tl.float32) + of_mean, mask=known)
    tl.store(slope + out, tl.zeros([WIDTH], tl.float32) + of_scale, mask=known)


@triton.jit
@no_type_check
def _input_gradient_kernel(
    features, gradient, centre, scale, weight, bias, mean, slope, result, rows, channels,
    WITH_SILU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Gradient with respect to the features, less its components along the group's mean and scale."""
    sample, part, first = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2) * CHANNELS
    row = part * ROWS + tl.arange(0, ROWS)
    channel = first + tl.arange(0, CHANNELS)
    known = channel < channels
    inside = (row < rows)[:, None] & known[None, :]
    at = sample * rows * channels + row[:, None] * channels + channel[None, :]
    of_sample = sample * channels + channel
    factor = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    deviation = tl.load(scale + of_sample, mask=known, other=0.0)
    normalised, gradient = _before_activation(
        tl.load(features + at, mask=inside, other=0.0),
        tl.load(gradient + at, mask=inside, other=0.0),
        tl.load(centre + of_sample, mask=known, other=0.0),
        deviation,
        factor,
        tl.load(bias + channel, mask=known, other=0.0).to(tl.float32),
        WITH_SILU,
    )
    lost = tl.load(mean + of_sample, mask=known, other=0.0)[None, :]
    lost += normalised * tl.load(slope + of_sample, mask=known, other=0.0)[None, :]
    values = deviation[None, :] * (gradient * factor[None, :] - lost)
    tl.store(result + at, values.to(result.dtype.element_ty), mask=inside)


class _GroupNorm(torch.autograd.Function):
    """Group normalisation of channels-last features, then SiLU if asked for."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        features: Tensor,
        groups: int,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        shift: Tensor | None,
        with_silu: bool,
    ) -> Tensor:
        contiguous = None if shift is None else shift.contiguous()
        normalised, statistics = kernels.normalise(
            features, groups, weight, bias, eps, shift=contiguous, with_silu=with_silu
        )
        ctx.save_for_backward(features, weight, bias, statistics)
        ctx.groups, ctx.with_silu = groups, with_silu
        ctx.shift_precision = None if shift is None else shift.dtype
        return normalised

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None, Tensor, Tensor, None, Tensor | None, None]:
        features, weight, bias, statistics = ctx.saved_tensors
        samples, channels, height, width = features.shape
        rows, of_group = height * width, channels // ctx.groups
        parts = triton.cdiv(rows, _ROWS)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        part_sums = torch.empty(3, samples, parts, channels, device=features.device)
        sums = torch.empty(5, samples, channels, device=features.device)
        result = torch.empty_like(features)
        blocks = (samples, parts, triton.cdiv(channels, _CHANNELS))
        read = (features, gradient, *statistics, weight, bias)
        shape = {"WITH_SILU": ctx.with_silu, "ROWS": _ROWS, "CHANNELS": _CHANNELS, "num_warps": _WARPS}
        with torch.cuda.device_of(features):
            _part_sums_kernel[blocks](*read, *part_sums, rows, channels, **shape)
            _sums_kernel[(samples, ctx.groups)](
                *part_sums, statistics[1], weight, *sums, rows, parts, channels, of_group,
                PARTS=_PARTS, WIDTH=triton.next_power_of_2(of_group),
            )  # fmt: skip
            _input_gradient_kernel[blocks](*read, *sums[3:], result, rows, channels, **shape)
        of_bias, of_weight = sums[:2].sum(1)
        of_shift = None if ctx.shift_precision is None else sums[2].to(ctx.shift_precision)
        return result, None, of_weight.to(weight.dtype), of_bias.to(bias.dtype), None, of_shift, None


@triton.jit
@no_type_check
def _geglu_gradient_kernel(projected, gradient, result, width, BLOCK: tl.constexpr):
    """Gradients on both halves of a row."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    known = at < width
    values = tl.load(projected + row * 2 * width + at, mask=known, other=0.0).to(tl.float32)
    gate = tl.load(projected + row * 2 * width + width + at, mask=known, other=0.0).to(tl.float32)
    given = tl.load(gradient + row * width + at, mask=known, other=0.0).to(tl.float32)
    share = 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))
    density = 0.3989422804014327 * tl.exp(-0.5 * gate * gate)
    of_values, of_gate = given * gate * share, given * values * (share + gate * density)
    tl.store(result + row * 2 * width + at, of_values.to(result.dtype.element_ty), mask=known)
    tl.store(result + row * 2 * width + width + at, of_gate.to(result.dtype.element_ty), mask=known)


class _Geglu(torch.autograd.Function):
    """GEGLU of contiguous features (batch, rows, 2 x width)."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(projected)
        return kernels.geglu(projected)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (projected,) = ctx.saved_tensors
        batch, rows, both = projected.shape
        result = torch.empty_like(projected)
        with torch.cuda.device_of(projected):
            _geglu_gradient_kernel[(batch * rows, triton.cdiv(both // 2, _GATED))](
                projected, gradient.contiguous(), result, both // 2, BLOCK=_GATED
            )
        return result


def group_norm_channels_last(
    features: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    *,
    shift: Tensor | None = None,
    with_silu: bool = False,
) -> Tensor:
    """Group normalisation of features + shift, then SiLU, with gradients, in the features' precision.

    Sums are in float32.
    """
    return _GroupNorm.apply(features, groups, weight, bias, eps, shift, with_silu)  # pyright: ignore[reportReturnType]


def geglu(projected: Tensor) -> Tensor:
    """GEGLU with gradients of contiguous features (batch, rows, 2 x width), computed in float32."""
    return _Geglu.apply(projected)  # pyright: ignore[reportReturnType]
