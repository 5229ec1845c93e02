"""The end of a run whose shards are all committed: sums, and what its mode makes of all rows together."""

import logging
from collections.abc import Iterator

from pasd_batch.audit.writing import write_audit
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.manifests.writing import is_there
from pasd_batch.runs.described import write_described
from pasd_batch.runs.layout import AUDIT_FILE, IMAGES_FOLDER, PASSES_FOLDER, SUMMARY_FILE
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import RunCounts, summarize
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import Storage, StorageError

_logger = logging.getLogger(__name__)


def finish(folder: RunFolder, run: RunFile, settings: RunSettings) -> tuple[RunCounts, list[str]]:
    """Sum up a run and write what it ends with; its counts, and lines about what was written. Audits need Ray.

    Raises:
        RunDamaged: rows are missing or strange.
        ManifestError, StorageError: something cannot be read or written.
    """
    before = folder.storage.exists(SUMMARY_FILE)
    counts = summarize(folder, run)
    _tidy(folder.storage)
    return counts, list(_written(folder, run, settings, before=before))


def _written(folder: RunFolder, run: RunFile, settings: RunSettings, *, before: bool) -> Iterator[str]:
    described = settings.output.manifest
    if settings.mode is RunMode.DESCRIBE and described is not None:
        kept = before and is_there(described, settings.storage)  # people correct what was described
        if not kept:
            write_described(folder, described)
        yield f"manifest with prompts: {redact_uri(described)}{', as it was' if kept else ''}"
    if settings.mode is RunMode.AUDIT:
        summary = write_audit(folder, run, settings.audit)
        yield summary.line()
        yield f"audit: {redact_uri(folder.storage.uri(AUDIT_FILE))}"


def _tidy(storage: Storage) -> None:
    """Delete what killed processes have left half-written among the photos of a run that is complete."""
    try:
        for folder in (IMAGES_FOLDER, PASSES_FOLDER):
            storage.remove_partial(older_than=0.0, prefix=folder)
    except StorageError as error:
        _logger.warning("temporary files may be left: %s", error)
