"""The driver of runs in one process: what it hands to Ray is done here, one after the other."""

import contextlib
from collections.abc import Callable

from pasd_batch.batch.driver import dry_run, preflight
from pasd_batch.batch.driver import run as run_module
from pasd_batch.batch.worker.shard_worker import ShardWorker


def do_without_ray(patch: Callable[[object, str, object], None]) -> None:
    """Put what needs no Ray in place of what does; `patch` is that of pytest, or `setattr` where the process ends.

    Manifests must be small ones, which are planned without Ray.
    """
    for module in (run_module, dry_run):
        patch(module, "ray_session", lambda _: contextlib.nullcontext())
    patch(preflight, "fetch_on_worker", lambda *_, **__: None)
    patch(preflight, "run_on_worker", lambda function, *arguments, **_: function(*arguments))
    patch(run_module, "work_off", _do_shards)
    patch(dry_run, "_time_lines", lambda *_: [])


def _do_shards(run, spec, folder, **_):
    worker = ShardWorker(spec)
    for shard in range(run.shards):
        assert worker.run(shard).message is None
