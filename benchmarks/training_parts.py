"""Time of a training step by its parts: each network's forward and backward passes alone, on what a step gives it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.loop.step_graph import record_cuda_graph
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.pasd_task import PasdTask

_PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0}
"""TFLOP/s in bfloat16, dense, of the data sheets (SXM where there are several)."""

_RUNS = 10
_LEARNING_RATE = 1e-6


@dataclass
class Call:
    """A call of a network within a step."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    learns: bool
    """True if gradients go back through it."""

    low_precision: bool
    """True if autocast is on around it."""


@dataclass
class Part:
    """A network, and the calls that a step makes of it."""

    network: nn.Module
    calls: list[Call] = field(default_factory=list)


def show_parts(task: PasdTask, stepper: Stepper, made: NumberedBatch, device: torch.device) -> None:
    """Print the table of one step's parts."""
    parts = called_parts(task, stepper, made, device)
    peak = next((peak for name, peak in _PEAKS.items() if name in _device_name(device)), None)
    print("\n| part | calls | forward, ms | with backward, ms | GFLOP | of the peak |\n|---|---:|---:|---:|---:|---:|")
    total = 0.0
    for name, part in parts.items():
        forward = seconds(lambda part=part: run_calls(part, stepper, learning=False), device)
        whole = seconds(lambda part=part: run_calls(part, stepper, learning=True), device)
        flops = operations(part, stepper)
        share = "" if peak is None else f"{flops / whole / peak / 1e12:.0%}"
        print(
            f"| {name} | {len(part.calls)} | {1e3 * forward:.2f} | {1e3 * whole:.2f} | {flops / 1e9:,.0f} | {share} |",
            flush=True,
        )
        total += whole
    # The fused optimizer refuses to be recorded, and has few kernels.
    updating = seconds(lambda: _update(stepper), device, recorded=False)
    print(f"| optimizer and average | 1 | | {1e3 * updating:.2f} | | |")
    print(f"\nsum of the parts: {1e3 * (total + updating):.1f} ms; {len(made.numbers)} crops\n", flush=True)


def networks_of(task: PasdTask) -> dict[str, nn.Module]:
    """The networks that a step calls, by what they are called here; only what is there."""
    networks, picture = task.networks, task.objective.picture
    found: dict[str, nn.Module | None] = {
        "degradation removal": networks.control_branch.controlnet_cond_embedding,
        "control branch": networks.control_branch,
        "unet": networks.unet,
        "encoder": networks.vae.get_submodule("encoder"),
        "decoder": networks.vae.get_submodule("decoder"),
    }
    if picture is not None:
        found |= {"teacher": picture.teacher, "perceptual": picture.perceptual, "discriminator": picture.discriminator}
    return {name: network for name, network in found.items() if network is not None}


def called_parts(task: PasdTask, stepper: Stepper, made: NumberedBatch, device: torch.device) -> dict[str, Part]:
    """Take one step's losses and gradients, and keep what each network was called with."""
    parts = {name: Part(network) for name, network in networks_of(task).items()}
    with _listening(parts, device), stepper.autocast():
        losses = task.objective(made)
    losses["loss"].backward()
    return {name: part for name, part in parts.items() if part.calls}


@contextmanager
def _listening(parts: Mapping[str, Part], device: torch.device) -> Iterator[None]:
    handles: list[Any] = []
    for part in parts.values():

        def heard(_: nn.Module, arguments: Any, options: Any, output: Any, part: Part = part) -> None:
            learns = any(tensor.requires_grad for tensor in _tensors(output))
            low = torch.is_autocast_enabled(device.type)
            part.calls.append(Call(_detached(arguments), _detached(options), learns, low))

        handles.append(part.network.register_forward_hook(heard, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _update(stepper: Stepper) -> None:
    stepper.update(_LEARNING_RATE)


def run_calls(part: Part, stepper: Stepper, *, learning: bool) -> None:
    """All calls of a part; with gradients of its weights and inputs where the step has them."""
    for call in part.calls:
        learns = learning and call.learns
        with _precision(call, stepper), torch.set_grad_enabled(learns):
            output = part.network(*call.arguments, **call.options)
        if learns:
            sums = [tensor.float().sum() for tensor in _tensors(output) if tensor.requires_grad]
            torch.stack(sums).sum().backward()


def _precision(call: Call, stepper: Stepper) -> AbstractContextManager[Any]:
    return stepper.autocast() if call.low_precision else nullcontext()


def operations(part: Part, stepper: Stepper) -> float:
    """Floating-point operations of a part's matrix products, convolutions and attentions, with their gradients."""
    with FlopCounterMode(display=False) as counter:
        run_calls(part, stepper, learning=True)
    return counter.get_total_flops()


def seconds(work: Callable[[], None], device: torch.device, *, recorded: bool = True) -> float:
    """Time of some work: of its kernels alone on a GPU, where it is recorded, as training steps are."""
    work()
    if device.type != "cuda":
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
    work()
    replay = record_cuda_graph(work).replay if recorded else work
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(_RUNS):
        replay()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / _RUNS


def _tensors(value: object) -> Iterator[Tensor]:
    """The tensors of what a network takes or gives."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _detached(value: Any) -> Any:
    """The same with tensors that are leaves, which have gradients where they had some."""
    match value:
        case Tensor():
            return value.detach().clone().requires_grad_(value.requires_grad)
        case list():
            return [_detached(each) for each in value]
        case dict():
            return {name: _detached(each) for name, each in value.items()}
        case tuple():
            parts = [_detached(each) for each in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        case _:
            return value


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
