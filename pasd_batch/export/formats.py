"""Formats that results are exported to, and the packages that they need."""

from enum import StrEnum
from importlib.util import find_spec

from pasd_batch.errors import PasdBatchError


class ExportFailed(PasdBatchError):
    """Results that cannot be exported; the message says why and what to do."""


class ExportFormat(StrEnum):
    """Format of exported results."""

    CSV = "csv"
    WEBDATASET = "webdataset"
    HUGGINGFACE = "huggingface"
    LANCE = "lance"
    DELTA = "delta"
    ICEBERG = "iceberg"

    @property
    def has_images(self) -> bool:
        """True if restored photos are in it where nothing is said."""
        return self in (ExportFormat.WEBDATASET, ExportFormat.HUGGINGFACE, ExportFormat.LANCE)

    @property
    def needs_images(self) -> bool:
        """True if it is nothing without restored photos, so that photos which failed are left out."""
        return self in (ExportFormat.WEBDATASET, ExportFormat.HUGGINGFACE)


_PACKAGES = {
    ExportFormat.WEBDATASET: "webdataset",
    ExportFormat.HUGGINGFACE: "datasets",
    ExportFormat.LANCE: "lance",
    ExportFormat.DELTA: "deltalake",
    ExportFormat.ICEBERG: "pyiceberg",
}


def require_package(wanted: ExportFormat) -> None:
    """Make sure that the library of a format is installed.

    Raises:
        ExportFailed: naming the extra that brings it.
    """
    package = _PACKAGES.get(wanted)
    if package is not None and find_spec(package) is None:
        raise ExportFailed(f"--to {wanted.value} needs another package: pip install 'pasd-batch[{wanted.value}]'")
