"""The files of a manifest, cut into pieces that can be read apart."""

import os
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.manifest import ManifestFormat, ManifestSettings, Pages
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError, NoPhotos
from pasd_batch.manifests.listing import ending_of, find_files, is_image
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import open_for_reading

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Suffixes behind `.csv` or `.jsonl` of files that are unpacked while they are read."""

KNOWN_NAMES_KEY = b"pasd_batch.known_names"
"""Key in the metadata of a Parquet manifest whose columns have the default names, whatever the settings call them."""

ROWS_PER_PIECE = 250_000
"""Parquet files are cut at row groups into pieces of about so many rows."""

_FORMATS = {
    ".parquet": ManifestFormat.PARQUET,
    ".pq": ManifestFormat.PARQUET,
    ".csv": ManifestFormat.CSV,
    ".tsv": ManifestFormat.CSV,
    ".jsonl": ManifestFormat.JSONL,
    ".ndjson": ManifestFormat.JSONL,
}
_PEEK = 1000
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_MOST_FILES_CUT = 64  # more files than this are parallel enough as they are


@dataclass(frozen=True)
class ManifestPiece:
    """A file of a manifest, or some row groups of a Parquet file, that one task reads from start to end."""

    uri: str
    format: ManifestFormat
    row_groups: tuple[int, int] | None = None
    """First row group and the one after the last; None: the whole file."""
    partition: tuple[tuple[str, str | None], ...] = ()
    """Columns that the names of its folders give, such as `year=1920` (as Hive, Spark and DuckDB write tables)."""

    def __str__(self) -> str:
        """The file as messages name it, without credentials."""
        return redact_uri(self.uri)


def is_image_source(settings: ManifestSettings, storage_settings: StorageSettings) -> bool:
    """True if the manifest's path names photos themselves, of which a manifest must be made first.

    Raises:
        ManifestError: nothing is there, `auto` finds both photos and manifests, or photos should have columns.
    """
    found = _names_photos(settings, storage_settings)
    if not found and settings.pages is Pages.EVERY:
        raise ManifestError(
            f"{redact_uri(settings.path)}: is a manifest, which has pages as rows of their own, and manifest.pages is "
            "every; leave it out, and list the photos with pasd-batch manifest --pages every"
        )
    named = [*settings.columns.of_settings(), *(["mask_uri"] if settings.columns.mask_uri is not None else [])]
    if found and named:
        told = ", ".join(f"manifest.columns.{name}" for name in named)
        raise ManifestError(
            f"{redact_uri(settings.path)}: has photos, which have no columns, and {told} names some; write a manifest "
            "(pasd-batch manifest), add the columns, and name it in manifest.path"
        )
    return found


def _names_photos(settings: ManifestSettings, storage_settings: StorageSettings) -> bool:
    wanted = _wanted_format(settings, storage_settings)
    if wanted is not ManifestFormat.AUTO:
        _refuse_other_kind(settings, wanted, storage_settings)
        return wanted is ManifestFormat.IMAGES
    kinds: dict[str, str] = {}
    for count, uri in enumerate(find_files(settings.path, storage_settings).uris):
        kind = "photos" if is_image(uri) else "manifests" if _format_of(uri) else ""
        if kind:
            kinds.setdefault(kind, uri)
        if len(kinds) == 2 or (count >= _PEEK and kinds):
            break
    if len(kinds) == 2:
        raise ManifestError(
            f"{redact_uri(settings.path)} has photos ({redact_uri(kinds['photos'])}) as well as manifests "
            f"({redact_uri(kinds['manifests'])}); set manifest.format to say which are meant"
        )
    if not kinds:
        raise NoPhotos(
            f"{redact_uri(settings.path)}: no manifest (.parquet, .csv, .jsonl) and no photo there; "
            "check manifest.path, or set manifest.format"
        )
    return "photos" in kinds


def _refuse_other_kind(settings: ManifestSettings, wanted: ManifestFormat, storage_settings: StorageSettings) -> None:
    """Refuse a format that is set for what is plainly something else."""
    uris, kind = find_files(settings.path, storage_settings).uris, ManifestError
    if wanted is ManifestFormat.IMAGES:
        manifests = 0
        for uri in uris:
            if is_image(uri):
                return
            manifests += _format_of(uri) is not None
        kind = ManifestError if manifests else NoPhotos  # which `may_be_empty` may allow
        there = "no photo is there, by the endings of names"
    else:
        photo = next((uri for uri in islice(uris, _PEEK) if is_image(uri)), None)
        if photo is None:
            return
        there = f"photos are there ({redact_uri(photo)})"
    raise kind(
        f"{redact_uri(settings.path)}: manifest.format is {wanted.value}, but {there}; leave manifest.format out, or "
        "check manifest.path"
    )


def find_pieces(settings: ManifestSettings, storage_settings: StorageSettings) -> list[ManifestPiece]:
    """All pieces of a manifest, files sorted by name; one that a run wrote of its failures is Parquet whatever is set.

    Raises:
        ManifestError: there is no file, or one that cannot be opened as what it should be.
        StorageError: the place cannot be looked at.
    """
    wanted = _wanted_format(settings, storage_settings)
    found = find_files(settings.path, storage_settings)
    pieces: list[ManifestPiece] = []
    for uri in sorted(found.uris):
        known = _format_of(uri)
        if known is not None or wanted is not ManifestFormat.AUTO:
            chosen = wanted if known is None or wanted is not ManifestFormat.AUTO else known
            pieces.append(ManifestPiece(uri, chosen, partition=_partition_of(found.name(uri))))
        else:
            found.left_out.endings[ending_of(uri)] += 1
    found.left_out.warn(settings.path)
    if not pieces:
        shown = redact_uri(settings.path)
        raise ManifestError(f"{shown}: no manifest file there; check manifest.path and manifest.format")
    if len(pieces) > _MOST_FILES_CUT:
        return pieces
    return [part for piece in pieces for part in _cut(piece, storage_settings)]


def _format_of(uri: str) -> ManifestFormat | None:
    stem, suffix = os.path.splitext(uri.lower())
    if suffix in COMPRESSIONS:
        suffix = os.path.splitext(stem)[1]
    return _FORMATS.get(suffix)


def _partition_of(path: str) -> tuple[tuple[str, str | None], ...]:
    """Columns in the folders of a path below the manifest's own folder."""
    named = (part.partition("=") for part in path.split("/")[:-1])
    return tuple(
        (unquote(name), None if value == _HIVE_NULL else unquote(value)) for name, _, value in named if name and value
    )


def _cut(piece: ManifestPiece, storage_settings: StorageSettings) -> list[ManifestPiece]:
    if piece.format is not ManifestFormat.PARQUET:
        return [piece]
    footer = _footer(piece, storage_settings)
    pieces, first, rows = [], 0, 0
    for group in range(footer.num_row_groups):
        rows += footer.row_group(group).num_rows
        if rows >= ROWS_PER_PIECE or group == footer.num_row_groups - 1:
            pieces.append(replace(piece, row_groups=(first, group + 1)))
            first, rows = group + 1, 0
    return pieces or [piece]


def _wanted_format(settings: ManifestSettings, storage_settings: StorageSettings) -> ManifestFormat:
    """The format that is set, but Parquet for a file that says of itself how it is read."""
    if settings.format in (ManifestFormat.AUTO, ManifestFormat.PARQUET):
        return settings.format
    found = list(islice(find_files(settings.path, storage_settings).uris, 2))
    if len(found) != 1 or _format_of(found[0]) is not ManifestFormat.PARQUET:
        return settings.format
    try:
        footer = _footer(ManifestPiece(found[0], ManifestFormat.PARQUET), storage_settings)
    except ManifestError:
        return settings.format  # another format under Parquet's suffix
    return ManifestFormat.PARQUET if KNOWN_NAMES_KEY in (footer.metadata or {}) else settings.format


def _footer(piece: ManifestPiece, storage_settings: StorageSettings) -> pq.FileMetaData:
    with open_for_reading(piece.uri, storage_settings) as file:
        try:
            return pq.ParquetFile(file).metadata
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ManifestError(f"{piece}: not a Parquet file ({error}); write it again") from None
