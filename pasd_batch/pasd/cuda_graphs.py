"""CUDA graphs: a network call's kernels, captured once per input shape and then replayed with one launch.

A call of control branch and UNet is some 2,000 kernels. Launched one by one from Python, up to eight tiles of 64x64
latents take longer to launch than to compute. Results are the same to the bit.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from pasd_batch.pasd.memory import is_out_of_memory

logger = logging.getLogger(__name__)

Network = Callable[..., Tensor]
"""A function of tensors whose kernels depend on the shapes alone."""

MOST_SHAPES = 32
"""Most shapes with a recording; the least recently used is dropped."""

MOST_RELEASES = 3
"""Releases because of full memory after which no further graphs are captured."""

_SHARE_OF_MEMORY = 0.4
"""Largest share of a GPU's memory for recordings."""


@dataclass(frozen=True)
class Recording:
    """A captured call: static input buffers, a launch, and the static output buffer."""

    inputs: tuple[Tensor, ...]
    output: Tensor
    launch: Callable[[], None]

    def replay(self, inputs: Sequence[Tensor]) -> Tensor:
        """Output for these inputs, copied from the static buffer."""
        for buffer, value in zip(self.inputs, inputs, strict=True):
            buffer.copy_(value)
        self.launch()
        return self.output.clone()


@runtime_checkable
class Recorder(Protocol):
    """Interface of a device on which calls are recorded."""

    @property
    def is_over_its_share(self) -> bool:
        """True if the recordings hold more memory than they should."""
        ...

    def record(self, network: Network, inputs: Sequence[Tensor]) -> Recording:
        """Record a call of a network that has run with inputs of these shapes before.

        Raises:
            RuntimeError: memory is full, or the network does what cannot be recorded.
        """
        ...

    def free(self) -> None:
        """Give back the memory of recordings, of which none is used any longer."""
        ...


@dataclass
class _Shape:
    """A shape that was called before, so that its kernels are loaded."""

    recording: Recording | None = None
    is_too_large: bool = False


@dataclass
class NetworkGraphs:
    """Cache of captured network calls by input shape; a shape is captured at its second call.

    The weights are recorded by their addresses: whoever moves them releases the recordings first.
    """

    recorder: Recorder
    most_shapes: int = MOST_SHAPES
    has_given_up: bool = False
    """No further recordings are made, because memory was full too often."""

    refused: set[Hashable] = field(default_factory=set)
    """Names of networks whose kernels cannot be recorded, whatever their inputs' shapes."""

    _shapes: "OrderedDict[Hashable, _Shape]" = field(default_factory=OrderedDict)
    _releases: int = 0

    def run(self, name: Hashable, network: Network, inputs: Sequence[Tensor]) -> Tensor:
        """Call a network, by its recording where there is one.

        Args:
            name: tells networks, and constants in them, apart that have as many inputs.
            network: a function of tensors alone.
            inputs: its arguments, on one device.
        """
        key = (name, *((each.shape, each.stride(), each.dtype) for each in inputs))
        shape = self._shapes.get(key)
        if shape is None:
            self._remember(key)
            return network(*inputs)
        self._shapes.move_to_end(key)
        if shape.recording is None and not (shape.is_too_large or self.has_given_up or name in self.refused):
            self._record(shape, name, network, inputs)
        return network(*inputs) if shape.recording is None else shape.recording.replay(inputs)

    @property
    def recordings(self) -> int:
        """Number of recordings that are kept."""
        return sum(shape.recording is not None for shape in self._shapes.values())

    def release(self) -> None:
        """Drop all recordings and free their memory."""
        self._shapes.clear()
        self.recorder.free()

    def release_for_memory(self) -> bool:
        """Release because memory is full; False if there was nothing to free."""
        if not self.recordings:
            return False
        self.release()
        self._releases += 1
        if self._releases == MOST_RELEASES:
            self.has_given_up = True
            self._tell(f"memory was full {self._releases} times")
        return True

    def _remember(self, key: Hashable) -> None:
        self._shapes[key] = _Shape()
        if len(self._shapes) > self.most_shapes:
            _, oldest = self._shapes.popitem(last=False)
            if oldest.recording is not None and not self.recordings:
                self.recorder.free()

    def _record(self, shape: _Shape, name: Hashable, network: Network, inputs: Sequence[Tensor]) -> None:
        try:
            shape.recording = self.recorder.record(network, inputs)
        except RuntimeError as error:
            if is_out_of_memory(error):
                self._refuse(shape)
            else:
                self.refused.add(name)
                self._tell(str(error))
        if self.recorder.is_over_its_share:
            self._make_room(shape)

    def _make_room(self, shape: _Shape) -> None:
        """Drop all recordings, which share a memory pool; a shape that alone exceeds the limit is refused."""
        is_alone = self.recordings == 1
        for each in self._shapes.values():
            each.recording = None
        self.recorder.free()
        if is_alone:
            self._refuse(shape)

    def _refuse(self, shape: _Shape) -> None:
        shape.is_too_large = True
        logger.info("a batch of tiles is too large for a CUDA graph; its kernels are launched one by one")

    def _tell(self, reason: str) -> None:
        logger.warning("going on without new CUDA graphs, which is slower but gives the same pixels: %s", reason)


class CudaRecorder:
    """CUDA graphs of one GPU.

    They share their memory: one runs at a time, and its output is copied before the next, so that together they take
    about what the largest of them takes.
    """

    def __init__(self, device: torch.device, *, share_of_memory: float = _SHARE_OF_MEMORY) -> None:
        self.device = device
        self._most_bytes = share_of_memory * torch.cuda.get_device_properties(device).total_memory
        self._bytes = 0
        self._pool: tuple[int, int] | None = None
        self._stream = torch.cuda.Stream(device)

    @property
    def is_over_its_share(self) -> bool:
        """True if the graphs hold more memory than they should."""
        return self._bytes > self._most_bytes

    def record(self, network: Network, inputs: Sequence[Tensor]) -> Recording:
        """Capture a call, whose kernels the call before it has loaded.

        Raises:
            RuntimeError: memory is full, or the network does what cannot be captured.
        """
        buffers = tuple(each.clone() for each in inputs)
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self.device)
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()
        before = torch.cuda.memory_reserved(self.device)
        # Other threads may go on using the GPU meanwhile.
        capturing = torch.cuda.graph(
            graph, pool=cast(Any, self._pool), stream=self._stream, capture_error_mode="thread_local"
        )
        try:
            with capturing:
                output = network(*buffers)
        finally:
            # torch leaves its capturing stream current when it cannot end a capture.
            torch.cuda.set_stream(current)
            self._bytes += torch.cuda.memory_reserved(self.device) - before
        self._pool = graph.pool()
        return Recording(buffers, output, graph.replay)

    def free(self) -> None:
        """Give back the memory of graphs, of which none is used any longer."""
        self._pool = None
        self._bytes = 0
        torch.cuda.empty_cache()


def cuda_graphs(device: torch.device) -> NetworkGraphs | None:
    """Graphs for a device; None where it has none."""
    return NetworkGraphs(CudaRecorder(device)) if device.type == "cuda" else None
