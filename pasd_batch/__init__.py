"""Restore and score large photo archives with Pixel-Aware Stable Diffusion on Ray Data.

The names here are the public API; each is imported when it is first used, because torch takes seconds.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pasd_batch.batch.local.restoring import restore_photos
    from pasd_batch.config.restore import RestoreSettings
    from pasd_batch.pasd.restorer import Restorer
    from pasd_batch.runs.run_folder import open_run

__all__ = ["RestoreSettings", "Restorer", "__version__", "open_run", "restore_photos"]

__version__ = version("pasd-batch")

_MODULES = {
    "RestoreSettings": "pasd_batch.config.restore",
    "Restorer": "pasd_batch.pasd.restorer",
    "open_run": "pasd_batch.runs.run_folder",
    "restore_photos": "pasd_batch.batch.local.restoring",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
