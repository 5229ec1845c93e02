"""The driver of runs in one process: what it hands to Ray is done here, one after the other."""

import contextlib
import itertools
from collections.abc import Callable

from checked_manifests import checked

from pasd_batch.batch.driver import dry_run, manifest_check, preflight
from pasd_batch.batch.driver import run as run_module
from pasd_batch.batch.planning import estimate, plan
from pasd_batch.batch.worker.shard_worker import ShardWorker


def do_without_ray(patch: Callable[[object, str, object], None]) -> None:
    """Put what needs no Ray in place of what does; `patch` is that of pytest, or `setattr` where the process ends."""
    chained = itertools.chain.from_iterable
    for module in (run_module, dry_run):
        patch(module, "ray_session", lambda _: contextlib.nullcontext())
    for module in (manifest_check, estimate):
        patch(module, "check_manifest", _check)
    patch(plan, "rows_of", iter)
    patch(plan, "dataset_of", lambda count, work: chained(work(part) for part in range(count)))
    patch(preflight, "fetch_on_worker", lambda *_, **__: None)
    patch(preflight, "run_on_worker", lambda function, *arguments, **_: function(*arguments))
    patch(run_module, "work_off", _do_shards)
    patch(dry_run, "_time_lines", lambda *_: [])


def _check(manifest, storage_settings, **_):
    return checked(manifest.path, storage={"allowed_folders": sorted(storage_settings.allowed_folders)})


def _do_shards(run, spec, folder, **_):
    worker = ShardWorker(spec)
    for shard in range(run.shards):
        assert worker.run(shard).message is None
