"""A run that is complete, told so without Ray: the same command as before, given once more."""

import os

from pasd_batch.batch.driver.manifest_check import check_run_manifest
from pasd_batch.batch.driver.run_paths import with_absolute_paths
from pasd_batch.batch.planning.small_manifests import is_small
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.runs.kept_list import kept_list
from pasd_batch.runs.layout import SUMMARY_FILE
from pasd_batch.runs.run_file import RunFile, describe_run, read_run, refuse_another
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage
from pasd_batch.weights_by_name import on_this_machine, used_settings, with_pins


def finished_run(
    settings: RunSettings, loaders: ModelLoaders, *, ray_address: str | None
) -> tuple[RunFolder, RunFile] | None:
    """The run of these settings if it is complete, and nothing is to be asked of workers; else, or in doubt, None.

    Its manifest, unless it is a large one, and its weights are looked at here as they would be at a resume. An audit
    ends with what Ray's tasks compute, and weights on a cluster may be others than here: these go the usual way.
    """
    if ray_address or os.environ.get("RAY_ADDRESS") or settings.mode is RunMode.AUDIT:
        return None
    try:
        settings = with_absolute_paths(settings)
        folder = RunFolder.open(settings.output.root, settings.storage)
        run = read_run(folder.storage)
        if run is None or not _is_complete(folder, run) or not _is_quickly_known(settings, folder.storage, run):
            return None
        checked = check_run_manifest(settings, folder.storage, run, model_fingerprint=None, may_keep=False)
        wanted = describe_run(
            settings,
            manifest_fingerprint=checked.manifest.fingerprint,
            photos=checked.manifest.photos,
            model_fingerprint=loaders.fingerprint(on_this_machine(with_pins(settings, run.weights))),
            score_columns=run.score_columns,
            lists_photos=run.lists_photos,
        )
        refuse_another(folder.storage, run, wanted)
    except (PasdBatchError, ValueError):  # also of weights: the usual way tells all that is wrong
        return None
    return folder, run


def _is_complete(folder: RunFolder, run: RunFile) -> bool:
    return folder.storage.exists(SUMMARY_FILE) and folder.committed() == list(range(run.shards))


def _is_quickly_known(settings: RunSettings, storage: Storage, run: RunFile) -> bool:
    """True if the manifest is small, and no weights would have to be fetched to be compared."""
    named = {each.value for each in used_settings(settings) if isinstance(each.value, str)}
    if named - run.weights.keys():
        return False
    manifest = kept_list(storage, run.manifest_fingerprint) if run.lists_photos else settings.manifest
    return manifest is not None and is_small(find_pieces(manifest, settings.storage), settings.storage)
