"""Prefetching: the next batch is made and copied to the device during the present step."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import torch

from pasd_batch.training.data.batch_maker import NumberedBatch


def prefetched(batches: Iterator[NumberedBatch], device: torch.device) -> Generator[NumberedBatch]:
    """The same batches in the same order on the device, each asked for while its forerunner is in use.

    On a GPU the work for them has a stream of its own, so that neither waits for the other. An error of the source
    comes up where its batch would have been. Closing waits for the batch under way.
    """
    stream = _Stream(device)

    def bring() -> NumberedBatch | None:
        with stream.active():
            made = next(batches, None)
            return None if made is None else made.to(device)

    with ThreadPoolExecutor(1, thread_name_prefix="next batch") as pool:
        waiting = pool.submit(bring)
        while (made := waiting.result()) is not None:
            stream.hand_over(made)
            waiting = pool.submit(bring)
            yield made


class _Stream:
    """A GPU's queue of work for the next batch; on the CPU nothing."""

    def __init__(self, device: torch.device) -> None:
        self._own = torch.cuda.Stream(device) if device.type == "cuda" else None

    def active(self) -> AbstractContextManager[object]:
        """Work is queued here within the context."""
        return nullcontext() if self._own is None else torch.cuda.stream(self._own)

    def hand_over(self, made: NumberedBatch) -> None:
        """Let the caller's stream wait for the batch, and keep its memory until that stream is done with it."""
        if self._own is None:
            return
        present = torch.cuda.current_stream(self._own.device)
        present.wait_stream(self._own)
        for tensor in (made.batch.clean, made.batch.degraded):
            tensor.record_stream(present)
