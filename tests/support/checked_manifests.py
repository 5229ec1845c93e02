"""Manifests as planning checks them, without Ray."""

import numpy as np
from photo_archive import settings

from pasd_batch.batch.planning.checked_manifest import CheckedManifest, PathRules
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.survey import merge_surveys, survey_piece


def checked(manifest, /, **changes):
    """The checked manifest at a path; no output paths collide in it."""
    run_settings = settings("/run", manifest, **changes)
    access, columns = run_settings.storage, run_settings.manifest.columns
    pieces = find_pieces(run_settings.manifest, access)
    survey = merge_surveys(pieces, [survey_piece(piece, columns, access) for piece in pieces])
    rules = PathRules(survey.source_root, ".png")
    return CheckedManifest(tuple(pieces), columns, access, survey, rules, np.empty(0, np.int64))
