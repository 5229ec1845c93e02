"""Triton kernels over channels-last features, each instead of several passes over memory; see `channels_last.py`.

Features lie in memory as (batch, rows, channels), a row for each pixel. Importing it needs Triton, which comes with
torch for CUDA.
"""

# The arguments of kernels have no types of Python's, and Triton adds options to each launch.
# ruff: noqa: ANN001, ANN202
# pyright: basic, reportCallIssue=false

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS, _CHANNELS, _WARPS = 128, 64, 8
_PARTS = 32
_GATED = 1024


@triton.jit
@no_type_check
def _moments_kernel(features, means, squares, rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """Mean and sum of squared deviations of each channel over one part of a sample's rows."""
    sample, part, first = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2) * CHANNELS
    row = part * ROWS + tl.arange(0, ROWS)
    channel = first + tl.arange(0, CHANNELS)
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    at = row[:, None] * channels + channel[None, :]
    values = tl.load(features + sample * rows * channels + at, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(values, axis=0) / tl.minimum(ROWS, rows - part * ROWS)
    deviations = tl.where(inside, values - mean[None, :], 0.0)
    out = (sample * tl.num_programs(1) + part) * channels + channel
    tl.store(means + out, mean, mask=channel < channels)
    tl.store(squares + out, tl.sum(deviations * deviations, axis=0), mask=channel < channels)


@triton.jit
@no_type_check
def _scales_kernel(
    means, squares, shift, centre, scale, rows, parts, channels, width, eps,
    WITH_SHIFT: tl.constexpr, ROWS: tl.constexpr, PARTS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Centre and scale of a group, for each of its channels, from the moments of all parts (law of total variance).

    What is added to a channel moves its mean alone: features + shift are centred at mean - shift, without being made.
    """
    sample, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    inner = tl.arange(0, WIDTH)
    channel = group * width + inner
    moved = tl.zeros([WIDTH], tl.float32)
    if WITH_SHIFT:
        moved += tl.load(shift + sample * channels + channel, mask=inner < width, other=0.0).to(tl.float32)
    total = 0.0
    for start in range(0, parts, PARTS):
        part = start + tl.arange(0, PARTS)
        inside = (part < parts)[:, None] & (inner < width)[None, :]
        at = (sample * parts + part[:, None]) * channels + channel[None, :]
        count = tl.minimum(ROWS, rows - part * ROWS).to(tl.float32)
        of_part = tl.load(means + at, mask=inside, other=0.0) + moved[None, :]
        total += tl.sum(tl.where(inside, of_part * count[:, None], 0.0))
    mean = total / (rows * width)
    total = 0.0
    for start in range(0, parts, PARTS):
        part = start + tl.arange(0, PARTS)
        inside = (part < parts)[:, None] & (inner < width)[None, :]
        at = (sample * parts + part[:, None]) * channels + channel[None, :]
        count = tl.minimum(ROWS, rows - part * ROWS).to(tl.float32)
        apart = tl.load(means + at, mask=inside, other=0.0) + moved[None, :] - mean
        within = tl.load(squares + at, mask=inside, other=0.0)
        total += tl.sum(tl.where(inside, within + count[:, None] * apart * apart, 0.0))
    out = sample * channels + channel
    tl.store(centre + out, mean - moved, mask=inner < width)
    tl.store(scale + out, 1.0 / tl.sqrt(total / (rows * width) + eps), mask=inner < width)


@triton.jit
@no_type_check
def _normalise_kernel(
    features, centre, scale, weight, bias, normalised, rows, channels,
    WITH_SILU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Distance of each value from its group's mean, times scale and weight, plus the bias; and SiLU of that."""
    sample, part, first = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2) * CHANNELS
    row = part * ROWS + tl.arange(0, ROWS)
    channel = first + tl.arange(0, CHANNELS)
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    at = row[:, None] * channels + channel[None, :]
    mean = tl.load(centre + sample * channels + channel, mask=channel < channels, other=0.0)
    factor = tl.load(scale + sample * channels + channel, mask=channel < channels, other=0.0)
    factor *= tl.load(weight + channel, mask=channel < channels, other=0.0).to(tl.float32)
    summand = tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)
    values = tl.load(features + sample * rows * channels + at, mask=inside, other=0.0).to(tl.float32)
    values = (values - mean[None, :]) * factor[None, :] + summand[None, :]
    if WITH_SILU:
        values = values * tl.sigmoid(values)
    tl.store(normalised + sample * rows * channels + at, values.to(normalised.dtype.element_ty), mask=inside)


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
    """Group normalisation (then SiLU) of channels-last features (batch, channels, height, width).

    `shift` (batch, channels) is added to the features before.

    Computed in float32 whatever the features' precision, independently per sample.
    """
    return normalise(features, groups, weight, bias, eps, shift=shift, with_silu=with_silu)[0]


def normalise(
    features: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    *,
    shift: Tensor | None,
    with_silu: bool,
) -> tuple[Tensor, Tensor]:
    """`group_norm_channels_last` with its statistics (2, batch, channels), float32: mean - shift, 1 / deviation."""
    samples, channels, height, width = features.shape
    rows, parts = height * width, triton.cdiv(height * width, _ROWS)
    moments = torch.empty(2, samples, parts, channels, device=features.device)
    statistics = torch.empty(2, samples, channels, device=features.device)
    normalised = torch.empty_like(features)
    blocks = (samples, parts, triton.cdiv(channels, _CHANNELS))
    of_group = channels // groups
    with torch.cuda.device_of(features):
        _moments_kernel[blocks](features, *moments, rows, channels, ROWS=_ROWS, CHANNELS=_CHANNELS, num_warps=_WARPS)
        _scales_kernel[(samples, groups)](
            *moments, weight if shift is None else shift, *statistics, rows, parts, channels, of_group, eps,
            WITH_SHIFT=shift is not None, ROWS=_ROWS, PARTS=_PARTS, WIDTH=triton.next_power_of_2(of_group),
        )  # fmt: skip
        _normalise_kernel[blocks](
            features, *statistics, weight, bias, normalised, rows, channels,
            WITH_SILU=with_silu, ROWS=_ROWS, CHANNELS=_CHANNELS, num_warps=_WARPS,
        )  # fmt: skip
    return normalised, statistics


@triton.jit
@no_type_check
def _geglu_kernel(projected, gated, width, BLOCK: tl.constexpr):
    """The first half of a row times GELU of its second half."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(projected + row * 2 * width + at, mask=at < width, other=0.0).to(tl.float32)
    gate = tl.load(projected + row * 2 * width + width + at, mask=at < width, other=0.0).to(tl.float32)
    gate = gate * 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))
    tl.store(gated + row * width + at, (values * gate).to(gated.dtype.element_ty), mask=at < width)


def geglu(projected: Tensor) -> Tensor:
    """GEGLU of contiguous features (batch, rows, 2 x width), computed in float32: (batch, rows, width)."""
    batch, rows, both = projected.shape
    width = both // 2
    gated = projected.new_empty(batch, rows, width)
    with torch.cuda.device_of(projected):
        _geglu_kernel[(batch * rows, triton.cdiv(width, _GATED))](projected, gated, width, BLOCK=_GATED)
    return gated
