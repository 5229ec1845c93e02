"""The key of a run's plan, found again in the manifest that the run began with, or in the list that it keeps."""

import os

from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.survey import ManifestSurvey, merge_surveys, survey_piece
from pasd_batch.runs.damage import parsing, read_json
from pasd_batch.runs.kept_list import kept_list
from pasd_batch.runs.layout import RUN_FILE
from pasd_batch.runs.run_folder import RunFolder


def key_of_run(folder: RunFolder) -> bytes:
    """Read the manifest once more, of a run whose URIs hide something: the list it keeps, or what `run.json` names.

    Raises:
        ManifestError: it is not there any more, or not as it was.
        StorageError: the run cannot be read.
    """
    values = read_json(folder.storage, RUN_FILE)
    with parsing(folder.storage, RUN_FILE):
        settings, fingerprint = values["settings"]["manifest"], str(values["manifest_fingerprint"])
    try:
        kept = kept_list(folder.storage, fingerprint)
        manifest = ManifestSettings.parse(settings, source=RUN_FILE) if kept is None else kept
        survey = _survey(manifest, folder)
    except PasdBatchError as error:
        raise ManifestError(_needed(str(error))) from None
    if survey.fingerprint != fingerprint:
        raise ManifestError(_needed(f"{manifest.path} is not as it was when the run began"))
    return survey.plan_key


def problem_of_kept_list(folder: RunFolder, fingerprint: str) -> str | None:
    """Fault of the list that the run at `folder` should keep; None if nothing is. It is read as a whole.

    Raises:
        StorageError: the storage is in trouble, so that it cannot be told.
    """
    kept = kept_list(folder.storage, fingerprint)
    if kept is None:
        return "missing"
    try:
        found = _survey(kept, folder).fingerprint
    except ManifestError as error:
        return f"cannot be read ({error})"
    return None if found == fingerprint else "does not list what the run began with"


def _survey(manifest: ManifestSettings, folder: RunFolder) -> ManifestSurvey:
    pieces = find_pieces(manifest, folder.storage_settings)
    storage_settings = folder.storage_settings.with_folders({os.sep})  # no photo is opened here
    return merge_surveys(pieces, [survey_piece(piece, manifest.columns, storage_settings) for piece in pieces])


def _needed(problem: str) -> str:
    return (
        "the photos' URIs have credentials in them, which a run folder does not hold: the manifest that the run began "
        f"with is needed where it was, and cannot be used: {problem}"
    )
