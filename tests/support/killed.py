"""Work in processes of its own that are killed by SIGKILL, each a step further than the one before.

A step is a file of this product that is about to appear under its name, or what the work calls one. The processes are
forks of a server that has imported everything, so that each costs little; what they import has no threads then.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import threading

import tiny_models
from photo_archive import settings
from without_ray import do_without_ray

from pasd_batch.batch.driver.run import run_archive
from pasd_batch.config.storage import StorageSettings
from pasd_batch.export.formats import ExportFormat
from pasd_batch.export.run_export import export_run
from pasd_batch.export.run_rows import RunRows

_LIBRARIES = ("datasets", "pyiceberg.catalog.sql")
"""Those of exports that take long to import. (Not lance, which may not be imported before a fork.)"""

_MOST_STEPS = 60
_SECONDS = 120.0
_lock = threading.Lock()
_left = sys.maxsize


def begin(work, *arguments, step=sys.maxsize):
    """Start a process that does `work`, a function of this module, and is killed at a step."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # multiprocessing gives its server no path
    try:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *_LIBRARIES])
        multiprocessing.forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    process = context.Process(target=_do, args=(work, arguments, step))
    process.start()
    return process


def kills_until_done(work, *arguments):
    """Do `work` again until a process gets to its end; the number that were killed before, each a step later."""
    for step in range(_MOST_STEPS):
        process = begin(work, *arguments, step=step)
        process.join(_SECONDS)
        if process.exitcode == 0:
            return step
        assert process.exitcode == -signal.SIGKILL, process.exitcode
    raise AssertionError(f"not done after {_MOST_STEPS} kills")


def export_to(root, to, target):
    """Export a run; shards that are read are steps, and the end of the last."""
    _steps_of(RunRows, "table")
    tables = RunRows.tables

    def all_tables(self):
        yield from tables(self)
        _step()

    RunRows.tables = all_tables
    export_run(root, ExportFormat(to), target, StorageSettings())


def run(root, photos, changes):
    """Begin a run, or go on with it, without Ray; its exit code is the process's."""
    do_without_ray(setattr)
    report = run_archive(settings(root, photos, **changes), show_progress=False, loaders=tiny_models.TINY)
    sys.stdout.write(f"{report.message}\n")
    if report.exit_code:
        sys.exit(int(report.exit_code))


def _do(work, arguments, step):
    global _left
    _left = step
    for name in ("link", "replace"):
        _steps_of(os, name)
    work(*arguments)


def _steps_of(owner, name):
    real = getattr(owner, name)

    def stepping(*arguments, **options):
        _step()
        return real(*arguments, **options)

    setattr(owner, name, stepping)


def _step():
    global _left
    with _lock:
        _left -= 1
        if _left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
