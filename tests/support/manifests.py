"""Manifests as tests look at them, and photos to make some of."""

from pathlib import Path

from PIL import Image

from pasd_batch.config.manifest import ManifestColumns, ManifestSettings
from pasd_batch.config.storage import DEFAULT_SCHEMES, RetryPolicy, StorageSettings
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import merge_surveys, survey_piece

ACCESS = StorageSettings(allowed_folders=frozenset({"/"}), retry=RetryPolicy(attempts=3, first_delay=0.01))
WEB = StorageSettings(
    allowed_schemes=DEFAULT_SCHEMES | {"http", "https"},
    allowed_hosts=frozenset({"127.0.0.1"}),
    allowed_folders=ACCESS.allowed_folders,
    retry=ACCESS.retry,
)


def survey(settings: ManifestSettings, access: StorageSettings = ACCESS):
    pieces = find_pieces(settings, access)
    return merge_surveys(pieces, [survey_piece(piece, settings.columns, access) for piece in pieces])


def rows_of(path: str | Path, columns: ManifestColumns | None = None, access: StorageSettings = ACCESS) -> list[dict]:
    settings = ManifestSettings(path=str(path), columns=columns or ManifestColumns())
    return [
        row
        for piece in find_pieces(settings, access)
        for table in read_rows(piece, settings.columns, access)
        for row in table.to_pylist()
    ]


def make_photos(folder: Path, names: list[str]) -> None:
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4 + index, 3)).save(folder / name)
