"""The next batch is brought to the device while the present one is learned from."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from pasd_batch.training.batch_maker import NumberedBatch


def prefetched(batches: Iterator[NumberedBatch], device: torch.device) -> Generator[NumberedBatch]:
    """The same batches in the same order on the device, each asked for while its forerunner is in use.

    An error of the source comes up where its batch would have been. Closing waits for the batch under way.
    """

    def bring() -> NumberedBatch | None:
        made = next(batches, None)
        return None if made is None else made.to(device)

    with ThreadPoolExecutor(1, thread_name_prefix="next batch") as pool:
        waiting = pool.submit(bring)
        while (made := waiting.result()) is not None:
            waiting = pool.submit(bring)
            yield made
