"""Time of a call by kind of kernel."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

_KINDS = (
    ("norms", ("group_norm", "layer_norm", "groupnorm", "layernorm", "rowwisemoments", "computefusedparams")),
    ("norms", ("_moments_kernel", "_scales_kernel", "_normalise_kernel")),
    ("attention", ("fmha", "flash", "attention", "softmax")),
    ("copies", ("copy", "memcpy", "nchwtonhwc", "nhwctonchw", "memset", "catarray", "aten::cat", "transpose")),
    ("convolutions", ("conv", "fprop", "winograd", "implicit")),
    ("linear", ("gemm", "nvjet", "cutlass", "cublas", "::mm", "::addmm", "::bmm", "linear")),
    ("elementwise", ("elementwise", "geglu", "gelu", "silu", "::add", "::mul", "upsample")),
)
"""Parts of kernels' names, the first kind that fits counts: copies are elementwise kernels, too."""


@dataclass
class Kind:
    """All kernels of one kind in a call."""

    seconds: float = 0.0
    launches: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    """Seconds by kernel."""


def kind_of(kernel: str) -> str:
    """The kind of a kernel (or, on a CPU, of torch's operation) by its name."""
    name = kernel.lower()
    return next((kind for kind, parts in _KINDS if any(part in name for part in parts)), "other")


def kernels_by_kind(action: Callable[[], object], device: torch.device) -> dict[str, Kind]:
    """Profile one call behind a warm-up; the kind that takes longest comes first."""
    on_gpu = device.type == "cuda"
    action()
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as recorded:
        action()
        if on_gpu:
            torch.cuda.synchronize(device)
    kinds: dict[str, Kind] = defaultdict(Kind)
    for event in recorded.key_averages():
        if on_gpu and event.device_type != DeviceType.CUDA:
            continue
        seconds = (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6
        kind = kinds[kind_of(event.key)]
        kind.seconds += seconds
        kind.launches += event.count
        kind.largest[event.key] = seconds
    return dict(sorted(kinds.items(), key=lambda item: -item[1].seconds))
