"""The list that a run keeps of a folder's photos, so that whoever resumes it works on the same ones.

Its name has the fingerprint that `run.json` has too. So what a start that failed has left, or another driver that
began at the same time, is never taken for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pasd_batch.config.manifest import ManifestFormat, ManifestSettings, Pages
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.making import list_photos
from pasd_batch.runs.layout import new_photo_list_path, photo_list_path
from pasd_batch.storage.filesystems import HTTP
from pasd_batch.storage.location import parse_location, redact_uri
from pasd_batch.storage.storage import AlreadyExists, Storage


@dataclass(frozen=True)
class DraftList:
    """A list of photos that is checked, and perhaps kept."""

    manifest: ManifestSettings
    """Format in which it is read."""
    data: bytes
    """The file."""


def kept_list(storage: Storage, fingerprint: str) -> ManifestSettings | None:
    """The list of photos with this fingerprint in the run at `storage`; None if it keeps none.

    Raises:
        StorageError: the run cannot be looked at.
    """
    name = photo_list_path(fingerprint)
    return _manifest(storage.uri(name)) if storage.exists(name) else None


@contextmanager
def draft_list(
    source: str, storage: Storage, storage_settings: StorageSettings, *, pages: Pages = Pages.FIRST
) -> Iterator[DraftList]:
    """The photos of a folder, prefix or glob, listed in a file that is gone afterwards unless `keep_list` keeps it.

    Raises:
        ManifestError: there are no photos, or it is a web address with secrets, which the list would show.
        StorageError: the source cannot be listed, or the list not be written.
    """
    scheme = parse_location(source, allowed_schemes=storage_settings.allowed_schemes).scheme
    if scheme in HTTP and redact_uri(source) != source:
        raise ManifestError(
            f"{redact_uri(source)}: a run keeps the list of its photos as text, and this address has something to "
            "hide; write it into a CSV manifest as a row below `uri`, and give that as manifest.path"
        )
    listed = list_photos(source, storage_settings, pages=pages)
    listed.left_out.warn(source)
    with draft_of(listed.data, storage) as draft:
        yield draft


@contextmanager
def draft_of(data: bytes, storage: Storage) -> Iterator[DraftList]:
    """A list of photos in a file that is gone afterwards unless `keep_list` keeps it.

    Raises:
        StorageError: the list cannot be written.
    """
    name = new_photo_list_path()
    try:
        storage.write(name, data)
        yield DraftList(_manifest(storage.uri(name)), data)
    finally:
        storage.delete(name)


def keep_list(draft: DraftList, storage: Storage, fingerprint: str) -> ManifestSettings:
    """Keep a draft under the name of its rows' fingerprint; call it when all else about the run has been checked.

    Raises:
        StorageError: it cannot be written.
    """
    name = photo_list_path(fingerprint)
    with suppress(AlreadyExists):  # with the same rows: from another driver, or from a start that got no further
        storage.create(name, draft.data)
    return _manifest(storage.uri(name))


def refuse_run_among_photos(settings: ManifestSettings, storage: Storage, storage_settings: StorageSettings) -> None:
    """Refuse a run inside the folder that its manifest names, where its own files would be taken for more of it.

    Raises:
        ManifestError: naming both.
    """
    source = parse_location(settings.path, allowed_schemes=storage_settings.allowed_schemes)
    root = parse_location(storage.uri(), allowed_schemes=storage_settings.allowed_schemes)
    if source.scheme == root.scheme and f"{root.path.rstrip('/')}/".startswith(f"{source.path.rstrip('/')}/"):
        raise ManifestError(
            f"output.root {redact_uri(storage.uri())} is inside manifest.path {redact_uri(settings.path)}, where the "
            "run's own files would be taken for more photos; give output.root a folder outside of it"
        )


def _manifest(uri: str) -> ManifestSettings:
    return ManifestSettings(path=uri, format=ManifestFormat.PARQUET)
