import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_models
from browser import chromium
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local Ray with two CPUs, unless another part of the session has one already; its address."""
    import ray

    if ray.is_initialized():
        yield ray.get_runtime_context().gcs_address
        return
    support = str(Path(tiny_models.__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([support, os.environ.get("PYTHONPATH", "")])
    os.environ["PASD_TEST_HOLD"] = str(tmp_path_factory.mktemp("hold") / "hold")
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for the tests of a module; no longer, since an event loop runs as long as it does."""
    with chromium() as started:
        yield started
