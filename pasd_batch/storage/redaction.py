"""URIs shown without their secrets: what is not known to be harmless is replaced by `***`.

Only what has a scheme (`https://...`) is a URI; local paths are shown as they are, whatever is in them.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

_HIDDEN = "***"
_SCHEME_BEFORE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*$")
_OVERRIDDEN = re.compile(r"^[\w.-]+=")
_AUTHORITY = re.compile(r"[^/?#\\]*")
# A host or bucket, with a port perhaps; an IPv6 address; the ARN of an S3 access point.
_PLAIN_AUTHORITY = re.compile(r"[^:@\s]*(:\d{0,5})?|\[[0-9A-Fa-f:.]+\](:\d{0,5})?|arn:[\w.:-]*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,40}")
_HTTP_QUERY = re.compile(r"[?#]")
# In the other schemes `?` and `#` may as well be part of a name, unless a parameter follows.
_OTHER_QUERY = re.compile(r"[?#](?=[^/=]*=)")
_PATH_PARAMETERS = re.compile(r"(;|%3[bf])[^/]*", re.IGNORECASE)
_SECRET_IN_PATH = re.compile(
    r"((?:sig|jwt|token|key|secret|pass|pwd|auth|cred|code|policy|session)[^/=:]*[=:])[^/]*", re.IGNORECASE
)
# Archives and proxies have other addresses in theirs: https://archive.org/web/2020/https://...
_INNER_USER = re.compile(r"(:/+|%3a(?:%2f)+)[^/]*?(@|%40)", re.IGNORECASE)
_ONE_SLASH = re.compile(r"\s*(?:https?|ftp|file|s3|gs|gcs|abfss?|az):/?(?!/)", re.IGNORECASE)
CREDENTIALS = (
    r"(?i)://[^/?#\s]*:[^/?#\s]*@"
    r"|://\S*[?&;#](?:[\w-]*[_-])?(?:sig|signature|token|secret|password|passwd|pwd|credentials?|jwt|auth|authorization"
    r"|(?:api|access|aws|awsaccess|shared)?key(?:id)?)="
)
"""Regular expression for URIs in a text with a password, or with a parameter that is called like a secret."""


_ADDRESS_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]*[^\s'\"<>`.,:;)\]}]")
_SECRET_VARIABLE = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|(ACCESS|API|ACCOUNT)_?KEY", re.IGNORECASE)
_LEAST_SECRET = 8
"""Characters from which on a variable's value is taken for a secret, and not for a word like `true`."""


def without_secrets(text: str) -> str:
    """A text with its addresses redacted, and with `***` for what this process's environment holds as secrets.

    Those are the values of variables that are called so, such as `AWS_SECRET_ACCESS_KEY`, unless they name a file.
    """
    for name, value in os.environ.items():
        if len(value) >= _LEAST_SECRET and value in text and _SECRET_VARIABLE.search(name) and "/" not in value[:1]:
            text = text.replace(value, _HIDDEN)
    return _ADDRESS_IN_TEXT.sub(lambda found: redact_uri(found.group()), text)


def redact_uri(uri: str) -> str:
    """`uri` with user names, passwords, all values of its query and its fragment replaced by `***`.

    In `http` and `https` also parameters of the path (`;name=value`). What stands before the scheme, such as blanks
    or half a token from a slip of the clipboard, does not keep the rest from being recognised.
    """
    before, separator, rest = uri.partition("://")
    if not separator:
        return _shown_with_one_slash(uri)
    scheme = _SCHEME_BEFORE.search(before)
    if scheme is None:
        return _HIDDEN
    prefix = before[: scheme.start()]
    shown = f"{_HIDDEN if prefix.strip() else prefix}{scheme.group()}://"
    rest = _without_user(rest)
    if scheme.group().lower() not in ("http", "https"):
        mark = _OTHER_QUERY.search(rest)
        return shown + (rest if mark is None else rest[: mark.end()] + _masked(rest[mark.end() :]))
    mark = _HTTP_QUERY.search(rest)
    path = rest if mark is None else rest[: mark.start()]
    path = _PATH_PARAMETERS.sub(rf"\1{_HIDDEN}", _INNER_USER.sub(rf"\1{_HIDDEN}\2", path))
    path = _SECRET_IN_PATH.sub(rf"\1{_HIDDEN}", path)
    if mark is None:
        return shown + path
    query, fragment, _ = rest[mark.start() :].partition("#")
    return shown + path + query[:1] + (_masked(query[1:]) if query else "") + (f"#{_HIDDEN}" if fragment else "")


def lacks_slashes(uri: str) -> bool:
    """True if a URI has lost a slash behind its scheme, as paths do that are put together by programs: `https:/h/a`."""
    return _ONE_SLASH.match(uri) is not None


def redacted(values: Any) -> Any:
    """Plain values, however deep, with `redact_uri` of every text."""
    match values:
        case Mapping():
            return {name: redacted(value) for name, value in values.items()}
        case list():
            return [redacted(value) for value in values]
        case str():
            return redact_uri(values)
        case _:
            return values


def shown_command(words: Sequence[str]) -> str:
    """A command line that can be typed again; one with secrets in it is `the same command`."""
    secret = any(redact_uri(value) != value for word in words for value in [_OVERRIDDEN.sub("", word)])
    return "the same command" if secret else shlex.join(words)


def has_plain_authority(rest: str) -> bool:
    """True if what stands between `://` and the path is a host or bucket alone, without user name or password."""
    authority = _AUTHORITY.match(rest)
    return authority is not None and _PLAIN_AUTHORITY.fullmatch(authority.group()) is not None


def _shown_with_one_slash(uri: str) -> str:
    if not lacks_slashes(uri):
        return uri
    scheme, _, rest = uri.partition(":")
    slash = "/" if rest.startswith("/") else ""
    return redact_uri(f"{scheme}://{rest.removeprefix('/')}").replace("://", f":{slash}", 1)


def _without_user(rest: str) -> str:
    """Text after `://`, its user and password hidden, even where the password has a `/`, `?`, `#` or `@` in it."""
    if has_plain_authority(rest):
        return rest
    authority = _AUTHORITY.match(rest)
    assert authority is not None, "it matches the empty text too"
    if "@" in authority.group():
        mark = _HTTP_QUERY.search(rest)
        end = len(rest) if mark is None else mark.start()
        return f"{_HIDDEN}@{rest[:end].rpartition('@')[2]}{rest[end:]}"
    if "@" in rest:
        # Where the password ends is a guess now, and what follows shows no more than host and path.
        return f"{_HIDDEN}@{re.split('[?#&;=]', rest.rpartition('@')[2])[0]}"
    return _HIDDEN + rest[authority.end() :]


def _masked(query: str) -> str:
    """Names of parameters stay, values do not; a parameter without a value is taken for one."""
    return "&".join(_masked_parameter(parameter) for parameter in query.split("&")) if query else query


def _masked_parameter(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    harmless = value.strip("= ") and _PLAIN_NAME.fullmatch(name.strip())
    return f"{name}={_HIDDEN}" if harmless else _HIDDEN
