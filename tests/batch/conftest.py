"""One Ray and one S3 server for the whole test session, and runs that several tests look at."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_models
from chaos import Driver
from hub_server import HubServer
from photo_archive import Archive, settings
from troubled_s3 import BUCKET, TroubledS3


@pytest.fixture(scope="session")
def s3_server() -> Iterator[TroubledS3]:
    """An S3 server with an empty bucket; the environment of everything started from now on points at it."""
    server = TroubledS3()
    os.environ.update(server.environment)
    server.client().create_bucket(Bucket=BUCKET)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cluster_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A server of model repositories for the cluster's workers, whose cache is empty at first."""
    server = HubServer()
    os.environ.update(HF_ENDPOINT=server.url, HF_HOME=str(tmp_path_factory.mktemp("hf-home")), HF_HUB_OFFLINE="0")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ray_cluster(
    s3_server: TroubledS3, cluster_hub: HubServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A local Ray with two CPUs; its address, for drivers in other processes."""
    import ray
    import ray.data

    # Worker processes import the tests' own modules by name.
    support = str(Path(tiny_models.__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([support, os.environ.get("PYTHONPATH", "")])
    # On a busy machine workers would be starved by whatever else is at work.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (its name)
    os.environ["PASD_TEST_HOLD"] = str(tmp_path_factory.mktemp("hold") / "hold")
    # So that metrics are served soon; Ray's own interval is ten seconds.
    quick = {"metrics_report_interval_ms": 1000}
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, _system_config=quick)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture
def hold(ray_cluster: str) -> Iterator[Path]:
    """The file that holds up restorers of the loaders `HELD` while it is there."""
    path = Path(os.environ["PASD_TEST_HOLD"])
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _no_driver_outlives_its_test() -> Iterator[None]:
    yield
    for driver in Driver.started:
        if driver.running:
            driver.kill()
    Driver.started.clear()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """30 photos in a local folder, 6 of them bad, in a Parquet manifest with an album."""
    return Archive.small(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def _finished_run(archive: Archive, ray_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.run import run_archive

    root = tmp_path_factory.mktemp("finished") / "run"
    report = run_archive(
        settings(root, archive.manifest, max_error_rate=0.5), show_progress=False, loaders=tiny_models.TINY
    )
    assert report.exit_code is ExitCode.DONE, report.message
    return root


@pytest.fixture
def finished_run(_finished_run: Path, tmp_path: Path) -> Callable[[], Path]:
    """Gives copies of a finished run over `archive`, to be taken apart."""

    def copy() -> Path:
        return Path(shutil.copytree(_finished_run, tmp_path / "run"))

    return copy
