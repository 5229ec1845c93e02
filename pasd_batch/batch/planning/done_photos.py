"""Photos that earlier runs have done: what each is known by, and what its files held then."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pasd_batch.config.photo_settings import meaning_of
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import URI_COLUMNS, Status
from pasd_batch.runs.run_set import FoundRun
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import read_uri, state_of
from pasd_batch.storage.storage import NotFound, StorageError

_logger = logging.getLogger(__name__)

_CONTENTS = {
    "uri": ("input_sha256", "input_version", "input_bytes"),
    "reference_uri": ("reference_sha256", "reference_version", None),
    "mask_uri": ("mask_sha256", "mask_version", None),
    "color_reference_uri": ("color_reference_sha256", "color_reference_version", None),
}
"""Columns that tell the content of what a URI names: hash, version and size, where rows have it."""

_ROW = [
    "photo_id",
    "prompt",
    *URI_COLUMNS,
    "status",
    *(column for columns in _CONTENTS.values() for column in columns if column is not None),
]


@dataclass(frozen=True)
class Content:
    """Content of a file when a run read it."""

    sha256: str
    version: str | None = None
    """The store's ETag, or the time of the file's last change; None where that was not noted."""
    nbytes: int | None = None
    """Its size; None where that was not noted."""


@dataclass(frozen=True)
class DonePhoto:
    """A photo that a run has done."""

    photo_id: str
    contents: Mapping[str, Content]
    """Contents of its file, and of its true photo, mask and colour reference where it was done with them, by columns of
    URIs."""


def done_photos(runs: Sequence[FoundRun]) -> dict[bytes, DonePhoto]:
    """Photos that runs have done, by their `key_of`; a later run's failure takes an earlier success back.

    Raises:
        StorageError: a run cannot be read.
    """
    latest: dict[str, tuple[bytes, DonePhoto | None]] = {}
    for run in runs:
        for shard in run.folder.committed():
            own = run.folder.plan(shard)["settings"].to_pylist()
            for row, setting in zip(run.folder.shard_rows(shard, _ROW).to_pylist(), own, strict=True):
                latest[row["photo_id"]] = key_of(row, setting), _done_photo(row)
    return {key: photo for key, photo in latest.values() if photo is not None}


def key_of(row: Mapping[str, Any], own_settings: str | None) -> bytes:
    """Key that tells a photo by its id, prompt and addresses, and by the meaning of its own settings (a plan's JSON).

    Addresses count as rows show them, without credentials.
    """
    uris = (redact_uri(uri) if (uri := row[name]) else None for name in URI_COLUMNS)
    values = (row["photo_id"], row["prompt"], *uris, meaning_of(own_settings))
    return hashlib.blake2b(repr(values).encode(), digest_size=16).digest()


def is_unchanged(content: Content, uri: str, storage_settings: StorageSettings) -> bool:
    """True if a file has the content that it had; what cannot be told, or is gone, is not unchanged.

    It is told by the version where that was noted, else by size and hash, for which the file is fetched.
    """
    try:
        state = state_of(uri, storage_settings)
        if content.nbytes is not None and state.bytes != content.nbytes:
            return False
        if content.version is not None and state.version == content.version:
            return True
        return hashlib.sha256(read_uri(uri, storage_settings)).hexdigest() == content.sha256
    except NotFound:
        return False
    except StorageError as error:
        _logger.info("%s: taken for changed, as it cannot be looked at: %s", redact_uri(uri), error)
        return False


def _done_photo(row: Mapping[str, Any]) -> DonePhoto | None:
    contents = {}
    for name, (sha256, version, size) in _CONTENTS.items():
        if row[sha256] is not None:
            contents[name] = Content(row[sha256], row[version], None if size is None else row[size])
    if row["status"] != Status.OK or "uri" not in contents:
        return None
    return DonePhoto(row["photo_id"], contents)
