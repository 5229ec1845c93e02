"""The files of a manifest: found by path, folder, prefix or glob, and cut into pieces that can be read apart."""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.utils import glob_translate

from pasd_batch.config.run import ManifestFormat, ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.data.location import Location, parse_location, redact_uri
from pasd_batch.data.manifest_errors import ManifestError
from pasd_batch.data.output_paths import IMAGE_SUFFIXES
from pasd_batch.data.ranged_file import open_for_reading
from pasd_batch.data.storage import Storage

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
_MAGIC = re.compile(r"[*?\[]")
_PEEK = 1000
_MOST_FILES_CUT = 64  # more files than this are parallel enough as they are


@dataclass(frozen=True)
class ManifestPiece:
    """A file of a manifest, or some row groups of a Parquet file, that one task reads from start to end."""

    uri: str
    format: ManifestFormat
    row_groups: tuple[int, int] | None = None
    """First row group and the one after the last; None: the whole file."""

    def __str__(self) -> str:
        """The file as messages name it, without credentials."""
        return redact_uri(self.uri)


def is_image_source(settings: ManifestSettings, access: StorageSettings) -> bool:
    """Whether the manifest's path names photos themselves, of which a manifest must be made first.

    Raises:
        ManifestError: nothing is there, or `auto` finds both photos and manifests.
    """
    wanted = _wanted_format(settings, access)
    if wanted is not ManifestFormat.AUTO:
        return wanted is ManifestFormat.IMAGES
    kinds: dict[str, str] = {}
    for count, uri in enumerate(find_files(settings.path, access).uris):
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
        raise ManifestError(
            f"{redact_uri(settings.path)}: no manifest (.parquet, .csv, .jsonl) and no photo there; "
            "check manifest.path, or set manifest.format"
        )
    return "photos" in kinds


def find_pieces(settings: ManifestSettings, access: StorageSettings) -> list[ManifestPiece]:
    """All pieces of a manifest, files sorted by name; one that a run wrote of its failures is Parquet whatever is set.

    Raises:
        ManifestError: there is no file, or one that cannot be opened as what it should be.
        StorageError: the place cannot be looked at.
    """
    wanted = _wanted_format(settings, access)
    files = [
        (uri, wanted if wanted is not ManifestFormat.AUTO else found)
        for uri in sorted(find_files(settings.path, access).uris)
        if (found := _format_of(uri)) is not None or wanted is not ManifestFormat.AUTO
    ]
    pieces = [ManifestPiece(uri, file_format) for uri, file_format in files if file_format]
    if not pieces:
        shown = redact_uri(settings.path)
        raise ManifestError(f"{shown}: no manifest file there; check manifest.path and manifest.format")
    if len(pieces) > _MOST_FILES_CUT:
        return pieces
    return [part for piece in pieces for part in _cut(piece, access)]


@dataclass(frozen=True)
class FoundFiles:
    """Files below a folder, as they are found."""

    folder: str
    """The folder itself, without a slash at its end."""
    uris: Iterator[str]
    """In no set order."""


def find_files(path: str, access: StorageSettings) -> FoundFiles:
    """The file, all files below the folder or prefix, or those that the glob matches.

    In a glob `*` stays within a folder and `**` does not; a folder that is really called so goes before. Hidden files
    and folders are left out, and but for photos (cameras write `_DSC0001.jpg`) names that begin with `_`, as those of
    notes such as `_SUCCESS` do, unless the path itself names the file.

    Raises:
        StorageError: the place cannot be looked at.
    """
    location = parse_location(path, allowed_schemes=access.allowed_schemes)
    root, name = posixpath.split(location.path.rstrip("/"))
    if location.scheme in ("http", "https") or (root and name and _open(location, root, access).exists(name)):
        return FoundFiles(_uri(location, root), iter([_uri(location, location.path)]))
    root, pattern = location.path.rstrip("/"), ""
    magic = _MAGIC.search(location.path)
    if magic is not None and next(_open(location, root, access).list(), None) is None:
        root = location.path[: magic.start()].rpartition("/")[0]
        pattern = location.path[len(root) + 1 :]
    return FoundFiles(_uri(location, root), _listed(location, root, pattern, access))


def _listed(location: Location, root: str, pattern: str, access: StorageSettings) -> Iterator[str]:
    matches = re.compile(glob_translate(pattern) if pattern else "").match
    for key in _open(location, root, access).list():
        left_out = (".",) if is_image(key) else (".", "_")
        if matches(key) and not any(part.startswith(left_out) for part in key.split("/")):
            yield _uri(location, f"{root}/{key}")


def is_image(uri: str) -> bool:
    """Whether the name ends like that of a photo that can be read."""
    return os.path.splitext(uri)[1].lower() in IMAGE_SUFFIXES


def _format_of(uri: str) -> ManifestFormat | None:
    stem, suffix = os.path.splitext(uri.lower())
    if suffix in COMPRESSIONS:
        suffix = os.path.splitext(stem)[1]
    return _FORMATS.get(suffix)


def _cut(piece: ManifestPiece, access: StorageSettings) -> list[ManifestPiece]:
    if piece.format is not ManifestFormat.PARQUET:
        return [piece]
    footer = _footer(piece, access)
    pieces, first, rows = [], 0, 0
    for group in range(footer.num_row_groups):
        rows += footer.row_group(group).num_rows
        if rows >= ROWS_PER_PIECE or group == footer.num_row_groups - 1:
            pieces.append(ManifestPiece(piece.uri, piece.format, (first, group + 1)))
            first, rows = group + 1, 0
    return pieces or [piece]


def _wanted_format(settings: ManifestSettings, access: StorageSettings) -> ManifestFormat:
    """The format that is set, but Parquet for a file that says of itself how it is read."""
    if settings.format in (ManifestFormat.AUTO, ManifestFormat.PARQUET):
        return settings.format
    found = list(islice(find_files(settings.path, access).uris, 2))
    if len(found) != 1 or _format_of(found[0]) is not ManifestFormat.PARQUET:
        return settings.format
    try:
        footer = _footer(ManifestPiece(found[0], ManifestFormat.PARQUET), access)
    except ManifestError:
        return settings.format  # another format under Parquet's suffix
    return ManifestFormat.PARQUET if KNOWN_NAMES_KEY in (footer.metadata or {}) else settings.format


def _footer(piece: ManifestPiece, access: StorageSettings) -> pq.FileMetaData:
    with open_for_reading(piece.uri, access) as file:
        try:
            return pq.ParquetFile(file).metadata
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ManifestError(f"{piece}: not a Parquet file ({error}); write it again") from None


def _open(location: Location, root: str, access: StorageSettings) -> Storage:
    return Storage.open(_uri(location, root) or "/", retry=access.retry, allowed_schemes=access.allowed_schemes)


def _uri(location: Location, path: str) -> str:
    """A path of the location's scheme as manifests write it: local ones bare."""
    if location.scheme in ("file", "http", "https"):
        return path
    return f"{location.scheme}://{path.lstrip('/')}"
