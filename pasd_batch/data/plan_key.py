"""The key of a run's plan, found again in the manifest that the run began with, or in the list that it keeps."""

import os

from pasd_batch.config.base import ConfigError
from pasd_batch.config.run import ManifestSettings
from pasd_batch.data.manifest import find_pieces
from pasd_batch.data.manifest_errors import ManifestError
from pasd_batch.data.manifest_kept import kept_list
from pasd_batch.data.manifest_survey import merge_surveys, survey_piece
from pasd_batch.data.run_folder import RUN_FILE, RunFolder, parsing, read_json
from pasd_batch.data.storage import StorageError


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
        pieces = find_pieces(manifest, folder.access)
        access = folder.access.with_folders({os.sep})  # no photo is opened here
        survey = merge_surveys(pieces, [survey_piece(piece, manifest.columns, access) for piece in pieces])
    except (ConfigError, ManifestError, StorageError) as error:
        raise ManifestError(_needed(str(error))) from None
    if survey.fingerprint != fingerprint:
        raise ManifestError(_needed(f"{manifest.path} is not as it was when the run began"))
    return survey.plan_key


def _needed(problem: str) -> str:
    return (
        "the photos' URIs have credentials in them, which a run folder does not hold: the manifest that the run began "
        f"with is needed where it was, and cannot be used: {problem}"
    )
