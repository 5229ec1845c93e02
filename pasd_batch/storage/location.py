"""URIs of files and objects: taken apart, checked, and shown without their secrets."""

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pasd_batch.storage.errors import InvalidLocation
from pasd_batch.storage.redaction import has_plain_authority, lacks_slashes, redact_uri

__all__ = ["Location", "check_relative", "is_relative", "parse_location", "redact_uri"]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Location:
    """Location: a lower-case scheme, and a path in the form that the scheme's file system takes.

    `path` is absolute for `file`, `bucket/key` for object stores, and the whole URL for `http` and `https`.
    """

    scheme: str
    path: str


def is_relative(path: str) -> bool:
    """True for a local path that means another place in another working folder."""
    return "://" not in path and not os.path.isabs(os.path.expanduser(path))


def parse_location(uri: str, *, allowed_schemes: frozenset[str]) -> Location:
    """Take apart a URI, a `file://` URI (percent-encoded) or a bare local path (`~` is expanded).

    Raises:
        InvalidLocation: a scheme that is not allowed, credentials in an object-store URI, or a malformed URI.
    """
    if not uri or "\0" in uri:
        raise InvalidLocation(f"{redact_uri(uri)!r} is not a path or URI; give one such as s3://bucket/a.jpg")
    match = _SCHEME.match(uri)
    scheme, rest = (match.group(1).lower(), match.group(2)) if match else ("file", "")
    if scheme not in allowed_schemes:
        known = ", ".join(sorted(allowed_schemes)) or "none"
        raise InvalidLocation(
            f"{redact_uri(uri)}: scheme {scheme!r} is not allowed (allowed: {known}); "
            "move the file, or allow the scheme by storage.allowed_schemes, or by --scheme of commands that have it"
        )
    if match is None:
        return Location("file", _local_path(uri))
    if scheme == "file":
        return Location("file", _local_path(_file_uri_path(uri, rest)))
    if scheme in ("http", "https"):
        if not _has_host(f"{scheme}://{rest}"):
            raise InvalidLocation(f"{redact_uri(uri)}: no host and port there; write {scheme}://HOST/PATH")
        return Location(scheme, f"{scheme}://{rest}")
    if not has_plain_authority(rest):
        raise InvalidLocation(
            f"{redact_uri(uri)}: accounts and credentials do not belong in the URI; write {scheme}://BUCKET/PATH "
            "and set them in the environment"
        )
    if not rest.strip("/"):
        raise InvalidLocation(f"{redact_uri(uri)} names no bucket or container; write {scheme}://BUCKET/PATH")
    # Keys are kept as they are: they may have empty parts and end in slashes.
    return Location(scheme, rest.lstrip("/") if scheme != "memory" else "/" + rest.strip("/"))


def check_relative(path: str) -> str:
    """`path` itself if it is a plain relative one: forward slashes, no empty, `.` or `..` part.

    Raises:
        InvalidLocation: it is absolute, could leave its root, or is not in its one plain form.
    """
    parts = path.split("/")
    windows = os.name == "nt" and ("\\" in path or ":" in path)
    if "\0" in path or windows or any(part in ("", ".", "..") for part in parts):
        raise InvalidLocation(
            f"path {path!r} is not a plain relative path: it must not be absolute, hold '..' or '.', or an empty part"
        )
    return path


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # of a port that is none, or brackets that do not match
        return False


def _file_uri_path(uri: str, rest: str) -> str:
    host, slash, path = rest.partition("/")
    if not slash or host not in ("", "localhost"):
        raise InvalidLocation(
            f"{redact_uri(uri)}: a file URI has three slashes and no host, as in file:///folder/a.jpg"
        )
    path = unquote(path)
    if "\0" in path:
        raise InvalidLocation(f"{redact_uri(uri)}: a NUL (%00) is in no file's name; write the path anew")
    return path if os.name == "nt" and re.match(r"^[A-Za-z]:", path) else "/" + path


def _local_path(path: str) -> str:
    if lacks_slashes(path):
        raise InvalidLocation(f"{redact_uri(path)!r}: write two slashes behind the scheme, or ./ before a file's name")
    if "://" in path or path.startswith(tuple("\r\n")):
        raise InvalidLocation(f"{redact_uri(path)!r} is neither a local path nor a URI that can be opened")
    return os.path.abspath(os.path.expanduser(path))
