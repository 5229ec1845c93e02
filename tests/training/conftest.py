"""Parts that the tests of training share."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_training
import torch


@pytest.fixture(scope="session")
def work_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and a small base model, made once."""
    return tiny_training.prepare(tmp_path_factory.mktemp("template"))


@pytest.fixture
def work(work_template: Path, tmp_path: Path) -> Path:
    """A folder with photos, a base, and room for a training's output."""
    for name in ("photos", "base"):
        shutil.copytree(work_template / name, tmp_path / name)
    return tmp_path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is not the user's; locks of trainings are there."""
    monkeypatch.setenv("PASD_BATCH_CACHE", str(tmp_path.with_name(f"{tmp_path.name}-cache")))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread, as killed and loading processes use, so that sums round alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local Ray with two CPUs, unless another part of the session has one already."""
    import ray

    if ray.is_initialized():
        yield
        return
    start_ray(tries=4)
    yield
    ray.shutdown()


def start_ray(tries: int) -> None:
    """Ray gives up waiting for its own parts after some seconds, which on a busy machine are not enough."""
    import ray

    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    except Exception as error:
        ray.shutdown()
        if tries == 1 or "timed out during startup" not in str(error):
            raise
        start_ray(tries - 1)
