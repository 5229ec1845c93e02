"""Restoring local photos: the worker's pipeline over them, in this process."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pasd_batch import __version__
from pasd_batch.batch.local.errors import CannotRestore, RestorationStopped
from pasd_batch.batch.local.finding import LocalPhoto, every_page, find_photos
from pasd_batch.batch.local.masks import masks_of
from pasd_batch.batch.local.output_folder import OutputFolder
from pasd_batch.batch.local.targets import is_done, output_paths, output_root, refuse_losses, refuse_no_folder
from pasd_batch.batch.worker.model_stage import ModelStage, ProcessPoisoned
from pasd_batch.batch.worker.models import ModelLoaders, WorkerModels
from pasd_batch.batch.worker.pipeline import PhotoPipeline
from pasd_batch.batch.worker.process_name import process_name
from pasd_batch.batch.worker.rows import Row
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.config.base import ConfigError
from pasd_batch.config.manifest import Pages
from pasd_batch.config.photo_settings import refuse_unused_reference
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.manifests.file_pages import page_settings
from pasd_batch.records import RESULT_SCHEMA, PhotoRecord, Provenance, Status, WorkOrigin
from pasd_batch.runs.run_file import fingerprint
from pasd_batch.weights_by_name import faults_on_this_machine, on_this_machine


@dataclass(frozen=True)
class RestoreProgress:
    """Progress of a restoration, told after every batch of tiles and every photo."""

    photos: int
    skipped: int = 0
    """Photos that were done before, and are none of these."""
    done: int = 0
    """Photos that have their row."""
    restored: int = 0
    """Photos whose results are in the output, at an early end those too that have no row yet."""
    step: float = 0
    """Steps done of the photos that the model works on, with the share of the present one's tiles."""
    steps: int = 0
    """Steps in all of these."""
    row: Row | None = None
    """Row of the photo that was done just now; None after a step."""
    loading: bool = False
    """True while the model is looked at and loaded, before the first step."""


ProgressListener = Callable[[RestoreProgress], None]


def restore_photos(
    photos: str | Path | Sequence[str | Path],
    output: str | Path,
    settings: RestoreSettings | None = None,
    *,
    on_progress: ProgressListener = lambda _: None,
    loaders: ModelLoaders | None = None,
    skip_done: bool = False,
    color_reference: str | Path | None = None,
    masks: str | Path | None = None,
    pages: Pages | str = Pages.FIRST,
) -> list[Row]:
    """Restore photos of this machine into a folder, with the bytes that a run over them gives.

    Args:
        photos: files, folders (with all below them, whose tree is mirrored) and globs such as `scans/**/*.jpg`; one
            or several.
        output: folder for the restored photos; earlier results in it are replaced, other files never.
        settings: defaults are those of the embedded model.
        on_progress: told in this thread after every batch of tiles and every photo.
        loaders: for other models than those that the settings name.
        skip_done: leave out photos whose results are in `output`, later than they and made with the same settings and
            model; they have no rows.
        color_reference: file with the palette of all results, by `sampling.color_fix` reference.
        masks: file with the mask of the one photo, or folder of masks that are called as the photos are.
        pages: `every` for each page of a file, picture of an animation or of a burst as a photo of its own.

    Returns:
        One row per photo, those that failed too, with the columns of a run's results (`docs/results.md`). A photo's
        `photo_id` is its path below the folder or glob that it was found by, or its file name.

    Raises:
        CannotRestore: photos or output cannot be used; nothing was written.
        ConfigError: the model cannot be loaded, or a colour reference is there that the settings do not use, or lacks.
        DescriberUnavailable: a describer that the settings name cannot be loaded.
        StorageError, UnfitWeights: weights that are named by an address cannot be had, or are others than needed.
        RestorationStopped: the disk is full or in trouble, or the GPU is lost; it has the rows until then.
    """
    settings, root = settings or RestoreSettings(), output_root(output)
    reference = _color_reference(color_reference, settings)
    given = [photos] if isinstance(photos, str | Path) else photos  # a text is a sequence, of one-letter names
    found = find_photos([os.fspath(photo) for photo in given], root)
    found = every_page(found) if Pages(pages) is Pages.EVERY else found
    paths = output_paths(found, settings.output.file.format.suffix)
    refuse_losses(found, paths, root)
    masked = masks_of(masks, found)
    refuse_no_folder(root)
    if faults := faults_on_this_machine(settings):
        raise ConfigError("\n".join(faults))
    on_progress(RestoreProgress(photos=len(found), loading=True))
    spec, here = _prepare(settings, root, loaders or ModelLoaders())
    todo = list(zip(found, paths, masked, strict=True))
    if skip_done:
        marks = [str(spec.provenance.model_fingerprint), *filter(None, [_hash_of(reference)])]
        todo = [
            (photo, path, mask)
            for photo, path, mask in todo
            if not is_done(photo, os.path.join(root, path), [*marks, spec.fingerprint_with(_hash_of(mask))])
        ]
    skipped = RestoreProgress(photos=len(todo), skipped=len(found) - len(todo))
    on_progress(replace(skipped, loading=bool(todo)))
    if not todo:
        return []
    models = _load(here, spec.loaders)
    on_progress(skipped)
    folder = OutputFolder(root)
    folder.make()
    records = [_record(number, *each, reference) for number, each in enumerate(todo)]
    return _run(spec, models, folder, records, skipped, on_progress)


def _record(number: int, photo: LocalPhoto, path: str, mask: str | None, reference: str | None) -> PhotoRecord:
    """A photo as a run's plan has it."""
    return PhotoRecord(
        photo.photo_id,
        photo.path,
        path,
        color_reference_uri=reference,
        mask_uri=mask,
        settings=page_settings(photo.page),
        row=number,
        source_root=photo.folder,
    )


def _hash_of(path: str | None) -> str | None:
    return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _color_reference(given: str | Path | None, settings: RestoreSettings) -> str | None:
    """Absolute path of the colour reference.

    Raises:
        CannotRestore: it is no file.
        ConfigError: the settings do not use it, or there is none and they need one.
    """
    sampling = settings.last.sampling
    if given is None:
        if sampling.color_fix is ColorFix.REFERENCE:
            raise ConfigError("sampling.color_fix is reference; name the photo of that palette with --color-reference")
        return None
    if not os.fspath(given):
        raise CannotRestore(
            "the colour reference has an empty name, perhaps of a variable that is not set; name a file"
        )
    refuse_unused_reference(sampling)
    path = os.path.abspath(os.path.expanduser(given))
    if not os.path.isfile(path):
        what = "a folder, not a file" if os.path.isdir(path) else "no such file"
        raise CannotRestore(f"{os.fspath(given)}: {what}; name the photo whose palette the results are to have")
    return path


def _prepare(settings: RestoreSettings, root: str, loaders: ModelLoaders) -> tuple[WorkerSpec, RunSettings]:
    """The restoration as workers see it, and its settings with all weights on this machine."""
    from pasd_batch.pasd.device import choose_device
    from pasd_batch.pasd.state_dict import CheckpointError

    try:
        # A CPU is no faster with several, and all wait for the last.
        on_cpu = choose_device(settings.model.device).type == "cpu"
        photo_batch = 1 if on_cpu else None
        run_settings = settings.as_run(root, photo_batch=photo_batch)
        # Of the settings as they were given, so that messages name them so.
        here = on_this_machine(settings, run_settings.storage).as_run(root, photo_batch=photo_batch)
        return _spec(run_settings, loaders.fingerprint(here), loaders), here
    except (CheckpointError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _load(here: RunSettings, loaders: ModelLoaders) -> WorkerModels:
    from pasd_batch.pasd.state_dict import CheckpointError

    try:
        return WorkerModels(loaders.restorer(here), scorer=None, describers=loaders.describers(here))
    except (CheckpointError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _spec(settings: RunSettings, model_fingerprint: str | None, loaders: ModelLoaders) -> WorkerSpec:
    provenance = Provenance(
        config_fingerprint=fingerprint(settings.decisive()),
        manifest_fingerprint="",
        model_fingerprint=model_fingerprint,
        software=f"pasd_batch {__version__}",
    )
    return WorkerSpec(settings, provenance, score_columns=(), extra_columns=(), loaders=loaders)


def _run(
    spec: WorkerSpec,
    models: WorkerModels,
    folder: OutputFolder,
    records: Sequence[PhotoRecord],
    now: RestoreProgress,
    on_progress: ProgressListener,
) -> list[Row]:
    done: list[Row] = []

    def on_step(step: float, steps: int) -> None:
        nonlocal now
        now = replace(now, step=step, steps=steps, row=None)
        on_progress(now)

    def on_row(row: Row) -> None:
        nonlocal now
        done.append(_whole(row))
        restored = now.restored + (row["status"] == Status.OK)
        now = replace(now, done=len(done), restored=restored, row=done[-1])
        on_progress(now)

    pipeline = PhotoPipeline(spec, ModelStage(spec.settings, models, on_step), folder)
    try:
        with folder:
            rows = pipeline.run(records, WorkOrigin(shard=0, attempt=0, worker=process_name()), on_row)
    except (TroubleAroundPhotos, ProcessPoisoned) as error:
        on_progress(_at_early_end(now, records, done, folder))
        left = [record for record in _without_row(records, done) if record.output_path not in folder.written]
        raise RestorationStopped(_told(error, left), done) from error
    except Exception:
        raise  # of the listener, which is not called again
    except BaseException:  # a signal
        on_progress(_at_early_end(now, records, done, folder))
        raise
    return [_whole(row) for row in rows]


def _whole(row: Row) -> Row:
    """A row with all columns of the results; those that cannot be known are None."""
    return {name: row.get(name) for name in RESULT_SCHEMA.names}


def _at_early_end(
    now: RestoreProgress, records: Sequence[PhotoRecord], done: Sequence[Row], folder: OutputFolder
) -> RestoreProgress:
    """The last progress of a restoration that was ended: with the photos that were written, but have no row."""
    with_row = sum(row["status"] == Status.OK for row in done)
    written = sum(record.output_path in folder.written for record in _without_row(records, done))
    return replace(now, done=len(done), restored=with_row + written, row=None)


def _without_row(records: Sequence[PhotoRecord], done: Sequence[Row]) -> list[PhotoRecord]:
    told = {(row["uri"], row["photo_id"]) for row in done}
    return [record for record in records if (record.uri, record.photo_id) not in told]


def _told(error: Exception, left: Sequence[PhotoRecord]) -> str:
    first = f", beginning with {left[0].uri}" if left else ""
    return f"{error}; photos that are not restored for this: {len(left)}{first}"
