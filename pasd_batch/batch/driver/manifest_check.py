"""A run's manifest before any work: what it says, or the list that is made of it and that the run keeps."""

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from pasd_batch.batch.planning.checked_manifest import CheckedManifest
from pasd_batch.batch.planning.only_new import NewPhotos, new_photos
from pasd_batch.batch.planning.plan import check_manifest
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.allowed_folders import listed_folder
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import is_image_source
from pasd_batch.runs.damage import damaged
from pasd_batch.runs.kept_list import DraftList, draft_list, draft_of, keep_list, kept_list, refuse_run_among_photos
from pasd_batch.runs.layout import DELETED_FILE, photo_list_path
from pasd_batch.runs.run_file import RunFile
from pasd_batch.storage.storage import Storage


@dataclass(frozen=True)
class RunManifest:
    """A manifest that a run can be planned from."""

    manifest: CheckedManifest
    lists_photos: bool
    """It is a list of photos, made when the run began."""
    notes: tuple[str, ...] = ()
    """Lines about what was left out."""


def check_run_manifest(
    settings: RunSettings, storage: Storage, run: RunFile | None, *, model_fingerprint: str | None, may_keep: bool
) -> RunManifest:
    """Check the manifest; `run` is the run that has begun here, if any. Ray must be running.

    A list of photos is kept if it may be, and if the run that has begun, if any, began with the same.

    Raises:
        ManifestError: it cannot be planned.
        NothingNew: earlier runs have done all photos.
        RunDamaged: the list that the run keeps cannot be used.
        StorageError: it cannot be read.
    """
    # A run that has begun needs its list alone: what has become of the folder since does not matter to it.
    kept = kept_list(storage, run.manifest_fingerprint) if run is not None and run.lists_photos else None
    if run is not None and kept is not None:
        try:
            return RunManifest(_check(settings, kept, listed=True), lists_photos=True)
        except ManifestError as error:
            raise damaged(storage, photo_list_path(run.manifest_fingerprint), f"cannot be used ({error})") from error
    refuse_run_among_photos(settings.manifest, storage, settings.storage)
    with manifest_of_run(settings, storage, model_fingerprint) as (draft, new):
        if draft is None:
            return RunManifest(_check(settings, settings.manifest, listed=False), lists_photos=False)
        checked = _check(settings, draft.manifest, listed=True)
        if may_keep and (run is None or run.manifest_fingerprint == checked.fingerprint):
            list_of_run = keep_list(draft, storage, checked.fingerprint)
            pieces = tuple(dataclasses.replace(piece, uri=list_of_run.path) for piece in checked.pieces)
            checked = dataclasses.replace(checked, pieces=pieces)
            if new is not None and new.deleted:
                storage.write(DELETED_FILE, "".join(f"{name}\n" for name in new.deleted).encode())
    return RunManifest(checked, lists_photos=True, notes=() if new is None else tuple(new.lines()))


def lists_photos(settings: RunSettings) -> bool:
    """True if a run that begins now stores a list of its photos."""
    try:
        return bool(settings.manifest.only_new) or is_image_source(settings.manifest, settings.storage)
    except PasdBatchError:
        return False  # whoever reads the manifest says so


@contextmanager
def manifest_of_run(
    settings: RunSettings, storage: Storage, model_fingerprint: str | None
) -> Iterator[tuple[DraftList | None, NewPhotos | None]]:
    """The list of photos that a run would keep, and what is new in it; both None where the manifest is used as it is.

    The list is gone afterwards unless `keep_list` keeps it.

    Raises:
        ManifestError, NothingNew, StorageError: as in `check_run_manifest`.
    """
    photos_themselves = is_image_source(settings.manifest, settings.storage)
    if not settings.manifest.only_new:
        if not photos_themselves:
            yield None, None
            return
        with _listed(settings, storage) as draft:
            yield draft, None
        return
    if photos_themselves:
        with _listed(settings, storage) as draft:
            new = new_photos(_check(settings, draft.manifest, listed=True), settings, model_fingerprint)
    else:
        new = new_photos(_check(settings, settings.manifest, listed=False), settings, model_fingerprint)
    with draft_of(new.data, storage) as draft:
        yield draft, new


def _listed(settings: RunSettings, storage: Storage) -> AbstractContextManager[DraftList]:
    return draft_list(settings.manifest.path, storage, settings.storage, pages=settings.manifest.pages)


def _check(settings: RunSettings, manifest: ManifestSettings, *, listed: bool) -> CheckedManifest:
    folders = listed_folder(settings.manifest.path, settings.storage) if listed else ()
    storage_settings = settings.storage.with_folders(folders)
    return check_manifest(manifest, storage_settings, suffix=settings.output.file.format.suffix)
