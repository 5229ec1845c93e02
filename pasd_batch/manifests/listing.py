"""Files found by path, folder, prefix or glob, and an account of everything that was left out on the way."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from fsspec.utils import glob_translate

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.output_paths import IMAGE_SUFFIXES
from pasd_batch.storage.location import Location, parse_location, redact_uri
from pasd_batch.storage.storage import Storage

_logger = logging.getLogger(__name__)

MOST_NAMED = 10
"""Names in warnings for each reason; beyond these there is the count."""

HIDDEN = "hidden, or their names begin with _"
NOT_UTF8 = "their names are not UTF-8 (rename them, for example with convmv)"

_MAGIC = re.compile(r"[*?\[]")


@dataclass
class LeftOut:
    """Files that a listing left out; complete when the listing has been read to its end."""

    endings: Counter[str] = field(default_factory=Counter)
    """Files by their names' endings (lower case, `""`: none), which are not those of what was looked for."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Files and folders that would have been looked at, by why that was not possible."""

    def skip(self, path: str, reason: str) -> None:
        """Count a file or folder that cannot be listed, and name it in a warning if it is one of the first."""
        self.reasons[reason] += 1
        if self.reasons[reason] <= MOST_NAMED:
            _logger.warning("%r is left out: %s", path, reason)

    def lines(self) -> list[str]:
        """All counts for people, one a line."""
        endings = ", ".join(f"{count:,} {ending or 'without'}" for ending, count in _most_first(self.endings))
        reasons = [f"left out, {reason}: {count:,}" for reason, count in _most_first(self.reasons)]
        return [*([f"left out by ending: {endings}"] if endings else []), *reasons]

    def warn(self, source: str) -> None:
        """Write all counts to the log."""
        for line in self.lines():
            _logger.warning("%s: %s", redact_uri(source), line)


@dataclass(frozen=True)
class FoundFiles:
    """Files below a folder, as they are found."""

    folder: str
    """The folder itself, without the slash behind it."""
    uris: Iterator[str]
    """In no set order."""
    left_out: LeftOut = field(default_factory=LeftOut)

    def photos(self) -> Iterator[str]:
        """Those whose names end like a photo's and can be written down as text; the others are counted."""
        for uri in self.uris:
            if not is_image(uri):
                self.left_out.endings[ending_of(uri)] += 1
            elif not _is_text(uri):
                self.left_out.skip(redact_uri(uri), NOT_UTF8)
            else:
                yield uri

    def name(self, uri: str) -> str:
        """The path of one of the files below the folder."""
        return uri[len(self.folder) + 1 :]


def find_files(path: str, storage_settings: StorageSettings) -> FoundFiles:
    """The file, all files below the folder or prefix, or those that the glob matches.

    In a glob `*` stays within a folder and `**` does not; a folder that is really called so goes before. Hidden files
    and folders are left out, and but for photos (cameras write `_DSC0001.jpg`) names that begin with `_`, as those of
    notes such as `_SUCCESS` do, unless the path itself names the file. So is what cannot be read below the folder, and
    links to folders.

    Raises:
        StorageError: the place cannot be looked at.
    """
    location = parse_location(path, allowed_schemes=storage_settings.allowed_schemes)
    root, _, name = location.path.rpartition("/")
    if location.scheme in ("http", "https") or (root and name and _is_file(location, root, name, storage_settings)):
        return FoundFiles(_uri(location, root), iter([_uri(location, location.path)]))
    root, pattern = location.path.removesuffix("/"), ""
    magic = _MAGIC.search(location.path)
    if magic is not None and next(_open(location, root, storage_settings).list(skip=lambda *_: None), None) is None:
        root = location.path[: magic.start()].rpartition("/")[0]
        pattern = location.path[len(root) + 1 :]
    left_out = LeftOut()
    return FoundFiles(_uri(location, root), _listed(location, root, pattern, storage_settings, left_out), left_out)


def is_image(uri: str) -> bool:
    """True if the name ends like that of a photo that can be read."""
    return ending_of(uri) in IMAGE_SUFFIXES


def ending_of(uri: str) -> str:
    """The name's ending in lower case, dot included; `""` if it has none."""
    return os.path.splitext(uri)[1].lower()


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0] == "", item[0]))


def _is_file(location: Location, root: str, name: str, storage_settings: StorageSettings) -> bool:
    if location.scheme == "file":
        return os.path.isfile(location.path)  # a folder that is a link to another place is looked into all the same
    return _open(location, root, storage_settings).exists(name)


def _listed(
    location: Location, root: str, pattern: str, storage_settings: StorageSettings, left_out: LeftOut
) -> Iterator[str]:
    matches = re.compile(glob_translate(pattern) if pattern else "").match
    for key in _open(location, root, storage_settings).list(skip=left_out.skip):
        if not matches(key):
            continue
        hidden = (".",) if is_image(key) else (".", "_")
        if any(part.startswith(hidden) and part not in (".", "..") for part in key.split("/")):  # keys may have those
            left_out.reasons[HIDDEN] += 1
        else:
            yield _uri(location, f"{root}/{key}")


def _is_text(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return True


def _open(location: Location, root: str, storage_settings: StorageSettings) -> Storage:
    # One slash at the end is the folder's own; a root may end in more of them, as keys may have empty parts.
    return Storage.open(f"{_uri(location, root)}/", storage_settings)


def _uri(location: Location, path: str) -> str:
    """A path of the location's scheme as manifests write it: local ones bare."""
    if location.scheme in ("file", "http", "https"):
        return path
    return f"{location.scheme}://{path.lstrip('/')}"
