"""Fixtures of the commands' tests."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def ray_running() -> Iterator[None]:
    """The session's Ray where there is one already, else one for the module's tests."""
    import ray

    begun = not ray.is_initialized()
    if begun:
        ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    yield
    if begun:
        ray.shutdown()
