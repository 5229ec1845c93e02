"""Golden data are compared in float32 with one thread, as they were computed."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode(False):
        yield
    torch.set_num_threads(threads)
