"""Group normalisation with SiLU, and GEGLU: one Triton kernel each where Triton works, and torch's own elsewhere."""

import logging
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

logger = logging.getLogger(__name__)

Features = Float[Tensor, "batch channels height width"]


def group_norm(
    norm: nn.GroupNorm,
    features: Features,
    *,
    shift: Float[Tensor, "batch channels"] | None = None,
    with_silu: bool = False,
) -> Features:
    """Group normalisation of features + `shift`, with SiLU if asked for, in the features' layout."""
    kernels = _kernels_for(features) if features.is_contiguous(memory_format=torch.channels_last) else None
    if kernels is None:
        features = features if shift is None else features + shift[:, :, None, None]
        normalised = nn.functional.group_norm(features, norm.num_groups, norm.weight, norm.bias, norm.eps)
        return silu(normalised) if with_silu else normalised
    of_norm = norm.num_groups, norm.weight, norm.bias, norm.eps
    return kernels.group_norm(features, *of_norm, shift=shift, with_silu=with_silu)


def geglu(projected: Float[Tensor, "batch tokens both"]) -> Float[Tensor, "batch tokens half"]:
    """The first half of the channels times GELU of the second (arXiv 2002.05202)."""
    kernels = _kernels_for(projected) if projected.is_contiguous() else None
    if kernels is None:
        values, gate = projected.chunk(2, dim=-1)
        return values * gelu(gate)
    return kernels.geglu(projected)


class Kernels(NamedTuple):
    """Kernels that work on this machine."""

    group_norm: Callable[..., Tensor]
    geglu: Callable[[Tensor], Tensor]


def _kernels_for(features: Tensor) -> Kernels | None:
    # A compiler makes kernels of its own.
    if not features.is_cuda or torch.compiler.is_compiling():
        return None
    return working_kernels(features.device, with_gradients=torch.is_grad_enabled())


@cache
def working_kernels(device: torch.device, *, with_gradients: bool = False) -> Kernels | None:
    """Kernels for a GPU; None where Triton is missing or cannot compile, as without a C compiler."""
    try:
        found = _import_kernels(with_gradients)
        _try_out(found, device, with_gradients)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (errors of Triton, compilers and drivers have nothing in common)
        logger.warning("features take more passes over memory, since Triton does not work here: %s", error)
        return None
    return found


def _import_kernels(with_gradients: bool) -> Kernels:
    if with_gradients:
        from pasd_batch.pasd import kernel_gradients

        return Kernels(kernel_gradients.group_norm_channels_last, kernel_gradients.geglu)
    from pasd_batch.pasd import kernels

    return Kernels(kernels.group_norm_channels_last, kernels.geglu)


def _try_out(kernels: Kernels, device: torch.device, with_gradients: bool) -> None:
    """Compare the kernels with torch's, once in a process."""
    # Not as inference, whose tensors have no gradients.
    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(with_gradients),
        torch.autocast(device.type, enabled=False),
    ):
        features = torch.linspace(-3, 3, 2 * 16 * 5 * 7, device=device).sin().reshape(2, 16, 5, 7)
        features = features.contiguous(memory_format=torch.channels_last).requires_grad_(with_gradients)
        weight, bias, *shifts = torch.linspace(-1, 1, 64, device=device).reshape(4, 16)
        shift = torch.stack(shifts)
        normalised = kernels.group_norm(features, 4, weight, bias, 1e-5, shift=shift, with_silu=True)
        shifted = (features + shift[:, :, None, None]).double()
        exact = nn.functional.group_norm(shifted, 4, weight.double(), bias.double(), 1e-5)
        tokens = features.permute(0, 2, 3, 1).reshape(2, 35, 16)
        values, gate = tokens.chunk(2, dim=-1)
        for name, result, expected in (
            ("group normalisation", normalised, silu(exact)),
            ("GEGLU", kernels.geglu(tokens), values * gelu(gate)),
        ):
            _compare(name, result, expected)
            if with_gradients:
                own, others = (torch.autograd.grad(each.square().sum(), features)[0] for each in (result, expected))
                _compare(f"the gradient of {name}", own, others)


def _compare(name: str, result: Tensor, expected: Tensor) -> None:
    error, largest = (float(each.detach().abs().max()) for each in (result - expected, expected))
    if not error < 1e-4 * max(1.0, largest):
        raise RuntimeError(f"{name} is off by {error:.2g} from torch's")
