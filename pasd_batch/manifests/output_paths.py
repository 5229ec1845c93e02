"""Output path of a photo: the source's tree mirrored, never outside the root, no two photos in one place.

Two photos collide when their plain paths are equal after Unicode and case folding, because many file systems and
people cannot tell such names apart. Every photo of a collision gets a mark (`name~0123456789abcdef.png`) that
depends on its id alone, so that the names do not depend on the order or number of photos. A name that looks marked
already is marked again: a marked path can therefore never be equal to a plain one.
"""

import hashlib
import os.path
import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import unquote, urlsplit

from pasd_batch.storage.redaction import redact_uri

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".btf", ".tf2", ".tf8", ".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs"}
)
"""File name suffixes (lower case) of photos that can be read."""

_MARK_LENGTH = 16
_MARKED = re.compile(rf"~[0-9a-f]{{{_MARK_LENGTH}}}$")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
_HIDDEN_PARAMETERS = re.compile(r"(;|%3[bf])\*\*\*", re.IGNORECASE)
_LONGEST_PART = 200  # bytes; file systems take 255, and the mark and suffix must still fit

LONGEST_PATH = 800
"""Most bytes of an output path; object stores take keys of 1024, with the run's own prefix in front."""


@dataclass(frozen=True)
class PlainPath:
    """A mirrored path without its suffix, and whether it must be marked whatever the other photos are called."""

    folder: str
    """`""`, or ends in a slash."""
    stem: str
    marked: bool

    def key(self, suffix: str) -> str:
        """Key that is equal for two photos that would collide."""
        composed = unicodedata.normalize("NFC", f"{self.folder}{self.stem}{suffix}".casefold())
        return unicodedata.normalize("NFC", composed)

    def output_path(self, photo_id: str, suffix: str, *, collides: bool) -> str:
        """The relative path of the photo's result."""
        mark = f"~{_digest(photo_id)}" if collides or self.marked else ""
        return f"{self.folder}{self.stem}{mark}{suffix}"


def plain_path(uri: str, *, source_root: str, suffix: str, page: int | None = None) -> PlainPath:
    """Mirror an absolute path or URI below `source_root`, a URI as `common_folder` gives it.

    `suffix` is the output's, with its dot; the name of a `page` of a file ends in its number (`scan-p0002`). Parts that
    could leave the root, or that a store would not take, are replaced: `..` becomes `__`, control characters and
    backslashes `_`, over-long names are cut and marked, and of paths over `LONGEST_PATH` the innermost folders are left
    out.
    """
    tree = _tree(uri)
    root = _tree(source_root).rstrip("/") + "/" if source_root else ""
    parts = [_safe(part) for part in tree.removeprefix(root).split("/") if part] or [("_", False)]
    mirrored = [_not_a_file_name(part, suffix) for part, _ in parts[:-1]]
    name = parts[-1][0]
    stem, extension = os.path.splitext(name)
    if extension.lower() not in IMAGE_SUFFIXES:
        stem = name
    stem = stem if page is None else page_stem(stem, page)
    folders = _fitting(mirrored, LONGEST_PATH - len(f"{stem}~{suffix}".encode()) - _MARK_LENGTH)
    folder = "".join(f"{part}/" for part in folders)
    cut = len(folders) < len(mirrored) or any(cut for _, cut in parts)
    return PlainPath(folder, stem, marked=cut or _MARKED.search(stem) is not None)


def page_stem(stem: str, page: int) -> str:
    """Name, without its ending, of what belongs to a page of a file."""
    return f"{stem}-p{page:04}"


def common_folder(lowest: str, highest: str) -> str:
    """Longest folder that all URIs between two share in their order, ending in a slash; `""` if there is none.

    With the first and the last of many sorted URIs this is the folder that all of them share.
    """
    ends = _without_query(lowest), _without_query(highest)
    folder = ""
    for parts in zip(*(end.split("/")[:-1] for end in ends), strict=False):
        if len(set(parts)) > 1:
            break
        folder += f"{parts[0]}/"
    return "" if folder.count("/") < 3 and "://" in folder else folder


def _tree(uri: str) -> str:
    """The URI's place in one tree of everything: `folder/a.jpg`, `bucket/key`, `host/path`."""
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return uri.lstrip("/")
    # Names are shown everywhere: what may be secret in an address is no part of them.
    shown = redact_uri(uri)
    rest = shown.partition("://")[2]
    match scheme.lower():
        case "http" | "https":
            address = urlsplit(shown)
            place = f"{address.hostname or ''}{unquote(_HIDDEN_PARAMETERS.sub('', address.path))}"
        case "file":
            place = unquote(rest.partition("/")[2])
        case _:
            place = rest.lstrip("/")
    return place.replace("***", "_")


def _without_query(uri: str) -> str:
    return re.split(r"[?#]", uri, maxsplit=1)[0] if uri.lower().startswith(("http://", "https://")) else uri


def _safe(part: str) -> tuple[str, bool]:
    """A path part that every store takes, and whether it had to be cut."""
    part = "_" * len(part) if part in (".", "..") else _UNSAFE.sub("_", part)
    data = part.encode("utf-8", "replace")
    part = data.decode("utf-8")
    if len(data) <= _LONGEST_PART:
        return part, False
    extension = os.path.splitext(part)[1]
    extension = extension if extension.lower() in IMAGE_SUFFIXES else ""
    return data[: _LONGEST_PART - len(extension)].decode("utf-8", "ignore").rstrip() + extension, True


def _fitting(folders: list[str], room: int) -> list[str]:
    """The outermost folders that take no more than so many bytes."""
    sizes = accumulate(len(folder.encode()) + 1 for folder in folders)
    return [folder for folder, size in zip(folders, sizes, strict=True) if size <= room]


def _not_a_file_name(folder: str, suffix: str) -> str:
    # The result of `x.jpg` and a folder `x.png` could not both exist on a local disk.
    return f"{folder}_" if folder.lower().endswith(suffix.lower()) else folder


def _digest(photo_id: str) -> str:
    return hashlib.sha256(photo_id.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_LENGTH]
