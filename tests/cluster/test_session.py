"""Waiting for Ray: told, or ended where it would be for nothing."""

import logging
import time

import pytest

from pasd_batch.cluster import session
from pasd_batch.cluster.session import ClusterFailed, WorkerResources, ray_session, run_on_worker
from pasd_batch.config.run import WorkerSettings


@pytest.fixture
def small(monkeypatch):
    """A cluster of two CPUs whose every call gives 7."""
    call = type("Call", (), {"remote": lambda self, *arguments: "reference"})()
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr("ray.remote", lambda **options: lambda function: call)
    monkeypatch.setattr("ray.get", lambda reference, timeout: 7)


def test_an_address_where_nothing_answers_is_told_within_seconds(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", lambda **options: pytest.fail("Ray would wait for minutes"))
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        with pytest.raises(ClusterFailed, match=r"127\.0\.0\.1 does not answer at port 9 .*check --ray-address"):
            ray_session(address).__enter__()


def test_a_start_that_takes_long_is_told(monkeypatch, caplog):
    monkeypatch.setattr(session, "_SAID_AFTER", 0.05)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", lambda **options: time.sleep(0.5))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with ray_session("auto"):
        pass
    assert [record.getMessage() for record in caplog.records] == ["waiting for Ray at auto"]


def test_a_ray_that_does_not_start_in_time_is_told(monkeypatch):
    def late(**options):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", late)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ClusterFailed, match=r"during startup; try again if the machine was busy, .*--ray-addr"):
        ray_session(None).__enter__()


def test_a_ray_of_this_machine_is_not_waited_for_to_grow(small, monkeypatch):
    own = session._own_ray.set(True)
    try:
        with pytest.raises(TimeoutError):
            run_on_worker(len, settings=WorkerSettings(gpus=1), seconds=1800)
        assert run_on_worker(len, settings=WorkerSettings(gpus=0), seconds=1800) == 7
    finally:
        session._own_ray.reset(own)


def test_a_cluster_that_may_grow_is_waited_for_with_a_word(small, caplog):
    assert run_on_worker(len, settings=WorkerSettings(gpus=1, cpus=3), seconds=1800) == 7
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "a worker's place with 3 CPU(s) and 1 GPU(s), of which the cluster has 2 and 0 now, up to 30 minutes" in line
    assert WorkerResources(cpus=1, gpus=0).fitting_now() == 2
