"""Session of Ray: begun or joined, its resources, and single calls where workers will run."""

import contextlib
import logging
import math
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pasd_batch.config.workers import WorkerSettings
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.storage.waiting import said_after

_logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_SAID_AFTER = 5.0
_own_ray: ContextVar[bool] = ContextVar("own_ray", default=False)
"""True while the Ray is one that this process has begun on its machine."""

_TYPE_LABELS = ("ray.io/node-group", "ray.io/accelerator-type")


class ClusterFailed(TroubleAroundPhotos):
    """Ray itself failed: its head is gone, or a worker cannot even be started."""


@dataclass(frozen=True)
class WorkerResources:
    """Resources that Ray reserves for each worker."""

    cpus: float
    gpus: float

    @classmethod
    def of(cls, settings: WorkerSettings) -> "WorkerResources":
        """The settings' resources; unless they say, a GPU each where the cluster has any. Ray must be running."""
        import ray

        gpus = settings.gpus
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU", 0) > 0 else 0.0
        return cls(cpus=settings.cpus, gpus=gpus)

    def fitting_now(self) -> int:
        """Number of workers that the cluster, as it is, has room for."""
        import ray

        total = ray.cluster_resources()
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        return min(math.floor(total.get(name, 0.0) / each + 1e-6) for name, each in wanted.items() if each > 0)

    def wanted(self) -> str:
        """Words for a wait for them."""
        import ray

        total = ray.cluster_resources()
        return (
            f"waiting for a worker's place with {self.cpus:g} CPU(s) and {self.gpus:g} GPU(s), of which the cluster "
            f"has {total.get('CPU', 0):g} and {total.get('GPU', 0):g} now"
        )


def workers_now(settings: WorkerSettings) -> int:
    """Workers that a run begun now would have. Ray must be running."""
    fitting = max(1, WorkerResources.of(settings).fitting_now())
    return fitting if settings.max is None else min(fitting, settings.max)


def ray_runs() -> bool:
    """True if this process is connected to a Ray."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


@contextlib.contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Ray running: the one this process is connected to, a cluster (`address` or `RAY_ADDRESS`), or a local one.

    Ends what it began, nothing else.

    Raises:
        ClusterFailed: there is no cluster at the address, it is none of Ray's, or Ray cannot join or begin one.
    """
    import ray
    import ray.data

    begun = not ray.is_initialized()
    if begun:
        address = address or os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
        try:
            if address:
                refuse_unreachable(address)
            what = f"waiting for Ray{f' at {address}' if address else ' to start'}"
            with said_after(_SAID_AFTER, what, _logger):
                ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # a node that does not start in time is a plain Exception of Ray's
            raise ClusterFailed(_why_not_begun(address, error)) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that there are no bars
    own = _own_ray.set(begun and not address)
    try:
        yield
    finally:
        _own_ray.reset(own)
        if begun:
            ray.shutdown()


def refuse_unreachable(address: str) -> None:
    """Make sure that something answers at an address that has a port: Ray itself would try for minutes, in silence.

    Raises:
        ClusterFailed: nothing does, or it is the address of another service.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address.startswith(("http://", "https://")):
        raise ClusterFailed(_why_not_begun(address, ValueError("not an address of a cluster")))
    if not (colon and port.isdigit()):
        return  # such as `auto` and `local`
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        told = ConnectionError(f"{host} does not answer at port {port} ({error})")
        raise ClusterFailed(_why_not_begun(address, told)) from error


def _why_not_begun(address: str | None, error: Exception) -> str:
    if address is None:
        told = str(error).rstrip(".")
        return (
            f"no Ray could be started on this machine: {told}; try again if the machine was busy, mend what is wrong, "
            "or name a cluster with --ray-address"
        )
    if address.startswith(("http://", "https://")):
        return (
            f"no Ray cluster at {address}: that is the address of Ray's job API, which takes `ray job submit`; "
            "unset RAY_ADDRESS, or give --ray-address or RAY_ADDRESS as ray://HOST:10001 or HOST:6379"
        )
    return (
        f"no Ray cluster at {address}: {error}; check --ray-address or RAY_ADDRESS, and set RAY_AUTH_MODE=token and "
        "the head's token (`ray get-auth-token` there) if it asks for one"
    )


def node_type() -> str | None:
    """Type of the node that this process runs on: its group of workers, else its accelerator; None if Ray says none.

    KubeRay labels nodes with their group; elsewhere `ray start --labels ray.io/node-group=NAME` does.
    """
    if not ray_runs():
        return None
    import ray

    labels = ray.get_runtime_context().get_node_labels()
    # Each is one word, though Ray annotates lists.
    return next((str(labels[name]) for name in _TYPE_LABELS if labels.get(name)), None)


def no_place(settings: WorkerSettings) -> str:
    """Error message for a worker that has no place in the cluster."""
    needed = WorkerResources.of(settings)
    return (
        f"workers: the cluster has no place for one with {needed.cpus:g} CPU(s) and {needed.gpus:g} GPU(s); "
        "lower workers.cpus or workers.gpus, or name another cluster with --ray-address"
    )


def run_on_worker(function: Callable[..., Any], *arguments: Any, settings: WorkerSettings, seconds: float) -> Any:
    """Run a function where workers will run, with their resources, and return what it returns.

    Raises:
        TimeoutError: no place for a worker came free in so many seconds.
        ClusterFailed: the call failed there.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    resources = WorkerResources.of(settings)
    # One call a process, so that what it has loaded does not stay in memory beside the workers' own.
    remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_calls=1, max_retries=3)(function)
    if not resources.fitting_now():
        if _own_ray.get():
            raise TimeoutError  # a Ray of this machine does not grow
        _logger.warning("%s, up to %.0f minutes; --ray-address names the cluster", resources.wanted(), seconds / 60)
    reference = remote.remote(*arguments)
    try:
        return ray.get(reference, timeout=seconds)
    except GetTimeoutError:
        ray.cancel(reference, force=True)
        raise TimeoutError from None
    except RayError as error:
        raise ClusterFailed(f"{type(error).__name__}: {error}") from error
