"""Checks that need no Ray, made before it begins: faults of settings, paths and manifest are told in seconds."""

import glob
import logging
import os
from pathlib import Path

import pyarrow as pa

from pasd_batch.batch.driver.preflight import PreflightFailed, attempt
from pasd_batch.batch.driver.run_paths import refuse_relative_paths_of_job, with_absolute_paths
from pasd_batch.batch.planning.only_new import NothingNew
from pasd_batch.batch.planning.plan import check_manifest
from pasd_batch.batch.planning.small_manifests import is_small
from pasd_batch.cluster.session import refuse_unreachable
from pasd_batch.config.base import ConfigError
from pasd_batch.config.photo_settings import refuse_unused_reference
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.config.sampling import ColorFix, SamplingSettings
from pasd_batch.describe.region_classes import unknown_classes
from pasd_batch.manifests.errors import NoPhotos
from pasd_batch.manifests.pieces import find_pieces, is_image_source
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.writing import refuse_other_formats, refuse_overwriting
from pasd_batch.metrics.grid import GRID_SCORES
from pasd_batch.metrics.iqa import unknown_metrics
from pasd_batch.runs.kept_list import refuse_run_among_photos
from pasd_batch.runs.run_file import RunFile, describe_run, read_run, refuse_another, refuse_strangers
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage, StorageError, redact_uri
from pasd_batch.storage.waiting import said_after
from pasd_batch.weights_by_name import faults_on_this_machine

_logger = logging.getLogger(__name__)

_SAID_AFTER = 5.0


def refuse_early(settings: RunSettings, *, ray_address: str | None) -> None:
    """Refuse a run that cannot start, as far as that can be told without Ray and without reading every row.

    Weights on this machine are looked at where its own Ray will run the workers; nothing is written.

    Raises:
        PreflightFailed: naming all problems.
        NothingNew: there is no photo, which `manifest.may_be_empty` allows.
    """
    places = " and ".join(map(redact_uri, (settings.output.root, settings.manifest.path)))
    with said_after(_SAID_AFTER, f"waiting for {places} to be looked at", _logger):
        problems = _problems(settings, ray_address or os.environ.get("RAY_ADDRESS"))
    if problems:
        raise PreflightFailed(problems)


def _problems(settings: RunSettings, address: str | None) -> list[str]:
    problems: list[str] = []
    attempt(problems, lambda: refuse_relative_paths_of_job(settings))
    settings = attempt(problems, lambda: with_absolute_paths(settings)) or settings
    storage = attempt(problems, lambda: RunFolder.open(settings.output.root, settings.storage).storage)
    if (described := settings.output.manifest) is not None:
        attempt(problems, lambda: refuse_other_formats(described))
    if address:
        attempt(problems, lambda: refuse_unreachable(address))
    if storage is not None:
        before, run = len(problems), None
        attempt(problems, lambda: _refuse_read_only(storage))
        if len(problems) == before:
            run = attempt(problems, lambda: _refuse_other_run(settings, storage))
        if run is None and described is not None:
            attempt(problems, lambda: refuse_overwriting(described, settings.storage, remedy="move it"))
        if run is None or not run.lists_photos:  # else its own list counts, whatever has become of the folder
            attempt(problems, lambda: _nothing_if_empty(settings, storage))
    if settings.mode is not RunMode.DESCRIBE:
        theirs = [name for name in settings.metrics.full_reference if name not in GRID_SCORES]
        problems += unknown_metrics([*settings.metrics.no_reference, *theirs])
    if not address:
        problems += faults_on_this_machine(settings)
        attempt(problems, lambda: _refuse_unusable_passes(settings))
        detect, regions = settings.restoration.describe.detect, settings.restoration.regions
        if detect is not None and isinstance(detect.weights, Path):
            problems += filter(None, [unknown_classes(regions, detect.weights)])
    return problems


def _refuse_unusable_passes(settings: RunSettings) -> None:
    """Refuse schedulers that diffusers lacks, and devices that this machine lacks; the usual ones cost no import."""
    if settings.mode is not RunMode.RESTORE:
        return
    for each in settings.restoration.in_order:
        try:
            if each.sampling.scheduler != SamplingSettings.model_fields["scheduler"].default:
                from pasd_batch.pasd.schedulers import scheduler_class

                scheduler_class(each.sampling.scheduler)
            if each.model.device not in ("auto", "cpu"):
                from pasd_batch.pasd.device import choose_device

                choose_device(each.model.device)
        except ValueError as error:
            raise ConfigError(str(error)) from None


def _refuse_other_run(settings: RunSettings, storage: Storage) -> RunFile | None:
    """Compare the settings with those of the run that has begun there, if one has: all else is compared later."""
    run = read_run(storage)
    if run is None:
        refuse_strangers(storage)
        return None
    wanted = describe_run(
        settings,
        manifest_fingerprint=run.manifest_fingerprint,
        photos=run.photos,
        model_fingerprint=run.model_fingerprint,
        score_columns=run.score_columns,
        lists_photos=run.lists_photos,
    )
    refuse_another(storage, run, wanted)
    return run


def _nothing_if_empty(settings: RunSettings, storage: Storage) -> None:
    try:
        _look_at_manifest(settings, storage)
    except NoPhotos as error:
        path = settings.manifest.path
        gone = "://" not in path and not glob.has_magic(path) and not os.path.exists(os.path.expanduser(path))
        if gone or not settings.manifest.may_be_empty:
            raise
        raise NothingNew(f"nothing to do, which manifest.may_be_empty allows: {str(error).partition(';')[0]}") from None


def _look_at_manifest(settings: RunSettings, storage: Storage) -> None:
    """Look for the manifest, and read all rows of a small one, or the first of a large one."""
    manifest = settings.manifest
    refuse_run_among_photos(manifest, storage, settings.storage)
    rows = None
    if not is_image_source(manifest, settings.storage):
        pieces = find_pieces(manifest, settings.storage)
        if is_small(pieces, settings.storage):
            check_manifest(manifest, settings.storage, suffix=settings.output.file.format.suffix)
        tables = read_rows(pieces[0], manifest.columns, settings.storage)
        rows = next((table for table in tables if table.num_rows), None)
    if settings.mode is RunMode.RESTORE:
        _compare_color_references(settings.restoration.last.sampling, rows)


def _refuse_read_only(storage: Storage) -> None:
    """Refuse a local folder that cannot be written or made; other places are tried when the run begins."""
    if "://" in storage.uri():
        return
    root = Path(storage.uri())
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir():
        raise StorageError(f"output.root {root}: {existing} is a file; name a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(f"output.root {root}: {existing} cannot be written by this user; name another folder")


def _compare_color_references(sampling: SamplingSettings, rows: pa.Table | None) -> None:
    """Refuse colour references that the settings do not use, and settings that use some where there are none."""
    if rows is not None and "color_reference_uri" in rows.column_names:
        if rows["color_reference_uri"].null_count < rows.num_rows:
            refuse_unused_reference(sampling)
    elif sampling.color_fix is ColorFix.REFERENCE:
        raise ConfigError(
            "restoration.sampling.color_fix is reference, and the manifest has no column color_reference_uri; add it, "
            "name another in manifest.columns.color_reference_uri, or set another color_fix"
        )
