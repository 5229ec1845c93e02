"""Local files that may be opened as photos: those below the manifest's own folder, and below folders that are named.

A manifest is written by others, and of whatever it names the size and hash reach a row. A local manifest may name what
lies below its own folder, and below the folder that `pasd-batch manifest` noted in it; one that comes from elsewhere,
such as S3, may name no local file. All else takes `storage.allowed_folders`. Links count by where they lead.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import os
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.listing import find_files
from pasd_batch.storage.errors import InvalidLocation
from pasd_batch.storage.location import parse_location, redact_uri

_LOCAL = r"^(/|[Ff][Ii][Ll][Ee]://)"
_UPWARDS = r"/\.\.(/|$)"


def granted_folders(manifest: str, source_root: str | None) -> frozenset[str]:
    """Folders below which a manifest may name files without more ado; none if it is not a local file itself.

    `source_root` is the folder that the manifest says its photos were found in, if it does.
    """
    if "://" in manifest:
        return frozenset()
    noted = {source_root} if source_root and os.path.isabs(source_root) else set()
    return frozenset({os.path.dirname(manifest), *map(os.path.normpath, noted)})


def note_of_csv(target: str, photos: str) -> list[str]:
    """A line for people about a CSV manifest at `target` that names local photos below a folder it does not grant.

    A Parquet manifest that the product writes notes that folder itself.
    """
    folder = photos.rstrip(os.sep) or os.sep
    if (
        "://" in target
        or "://" in photos
        or not rows_outside(
            pa.chunked_array([[folder]]), granted_folders(os.path.abspath(os.path.expanduser(target)), None)
        )
    ):
        return []
    return [f"a run opens them with storage.allowed_folders=[{folder}]; a Parquet manifest says so itself"]


def listed_folder(path: str, storage_settings: StorageSettings) -> frozenset[str]:
    """The local folder of photos that a folder, file or glob in a run's settings means; none if it is elsewhere.

    Raises:
        StorageError: the place cannot be looked at.
    """
    if parse_location(path, allowed_schemes=storage_settings.allowed_schemes).scheme != "file":
        return frozenset()
    return frozenset({find_files(path, storage_settings).folder or os.sep})


def refuse_outside(uri: str, storage_settings: StorageSettings) -> None:
    """Make sure that a photo, if it is a local file, lies below one of `allowed_folders`, links followed.

    Raises:
        InvalidLocation: it does not, or the URI cannot be opened anyway.
    """
    location = parse_location(uri, allowed_schemes=storage_settings.allowed_schemes)
    if location.scheme != "file":
        return
    real = os.path.realpath(location.path)
    if not _is_below_any(real, map(os.path.realpath, storage_settings.allowed_folders)):
        raise InvalidLocation(f"{redact_uri(uri)} {why_outside(uri, storage_settings.allowed_folders)}")


def rows_outside(uris: pa.ChunkedArray, folders: Collection[str]) -> list[int]:
    """Rows whose URI is a local path outside of all `folders`, by its text: whether links lead out is not looked at."""
    suspect = pc.match_substring_regex(uris, _LOCAL)
    upwards = pc.match_substring_regex(uris, _UPWARDS)
    for folder in folders:
        below = pc.and_not(pc.starts_with(uris, _with_slash(folder)), upwards)
        suspect = pc.and_not(suspect, below)
    rows = pc.indices_nonzero(pc.fill_null(suspect, False)).to_pylist()
    return [row for row in rows if _is_outside(uris[row].as_py(), folders)]


def why_outside(uri: str, folders: Collection[str]) -> str:
    """Message about a URI outside of `folders`, and what to do if it is meant."""
    path = parse_location(uri, allowed_schemes=frozenset({"file"})).path
    real = os.path.realpath(path)
    through = f"leads through a link to {real}, which" if _is_below_any(path, folders) else "is a local file and"
    bounds = f"is outside of {', '.join(sorted(folders))}" if folders else "is not below a folder that may be opened"
    return f"{through} {bounds}; if it is meant, name its folder ({os.path.dirname(real)}) in storage.allowed_folders"


def _is_outside(uri: str, folders: Collection[str]) -> bool:
    try:
        path = parse_location(uri, allowed_schemes=frozenset({"file"})).path
    except InvalidLocation:
        return False  # nothing that could be opened
    if _is_below_any(path, folders):
        return False
    # The same folder may have two names, one of which is a link.
    return not _is_below_any(os.path.realpath(path), map(os.path.realpath, folders))


def _is_below_any(path: str, folders: Collection[str] | map) -> bool:
    return any(path == folder or path.startswith(_with_slash(folder)) for folder in folders)


def _with_slash(folder: str) -> str:
    return f"{folder.rstrip(os.sep)}{os.sep}"
