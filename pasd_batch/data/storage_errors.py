"""What can go wrong with storage, and how a library's error is told apart.

fsspec backends report the same trouble in different ways: s3fs translates some codes into `OSError`s and leaves
others as botocore errors, HTTP gives aiohttp errors, local files give `errno`s. `classify` looks at the HTTP
status where there is one, else at the error's type and `errno`, anywhere in the chain of explicit causes.
"""

import errno
from collections.abc import Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")


class StorageError(Exception):
    """Storage could not do what was asked; the message names the URI (without credentials) and the remedy."""


class InvalidLocation(StorageError):
    """A URI or path that is not opened: scheme not allowed, outside its root, or malformed."""


class NotFound(StorageError):
    """There is no such file or object (404)."""


class Forbidden(StorageError):
    """Credentials are missing or do not allow it (401, 403, local permissions)."""


class AlreadyExists(StorageError):
    """A create found something there."""


class TooLarge(StorageError):
    """More bytes than the caller's limit."""


class StorageFull(StorageError):
    """No space or quota left; nothing was written."""


class TransientStorageError(StorageError):
    """Throttling, a lost connection or a timeout: trying again may help."""


_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset(
    {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "ConditionalRequestConflict"}
)
_TRANSIENT_ERRNO = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
        getattr(errno, "EREMOTEIO", errno.ETIMEDOUT),
        getattr(errno, "ESTALE", errno.ETIMEDOUT),
    }
)
# By name, because the libraries they come from (botocore, aiohttp, azure, google) need not be installed.
_TRANSIENT_TYPES = frozenset(
    {
        "HTTPClientError",
        "ResponseParserError",
        "ResponseStreamingError",
        "IncompleteRead",
        "IncompleteReadError",
        "ClientConnectionError",
        "ClientPayloadError",
        "ServiceRequestError",
        "ServiceResponseError",
        "TransportError",
    }
)
_CREDENTIAL_TYPES = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "DefaultCredentialsError"}
)


_BUGS = (TypeError, AttributeError, NameError, LookupError, AssertionError)


def translated(where: Callable[[], str], operation: Callable[[], Result]) -> Result:
    """Do something with storage; a library's error becomes a `StorageError`, a programming error stays what it is.

    Args:
        where: says which URI to name, without credentials.
        operation: what to do.
    """
    # The library's error is cut off (`from None`): its text may repeat a URL with its secrets.
    try:
        return operation()
    except (StorageError, *_BUGS):
        raise
    except Exception as error:  # noqa: BLE001 (every store's library has errors of its own)
        raise classify(error, where()) from None


def classify(error: BaseException, where: str) -> StorageError:
    """The `StorageError` that a library's `error` amounts to; `where` is the URI to name, without credentials.

    Only the error's type, status and code enter the message: library messages repeat URLs with their secrets.
    """
    if isinstance(error, StorageError):
        return error
    chain = list(_causes(error))
    detail = _detail(chain)
    kind, remedy = _kind(chain)
    return kind(f"{where}: {detail}; {remedy}")


def _kind(chain: list[BaseException]) -> tuple[type[StorageError], str]:
    status = next((found for link in chain if (found := _status(link)) is not None), None)
    code = next((found for link in chain if (found := _code(link))), "")
    numbers = {link.errno for link in chain if isinstance(link, OSError)}
    names = {base.__name__ for link in chain for base in type(link).__mro__}
    if status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES:
        return TransientStorageError, "the storage is busy or failing; try again later or ask it for less"
    if status in (401, 403) or names & _CREDENTIAL_TYPES or "PermissionError" in names:
        return Forbidden, "check the credentials and that they allow this"
    if status in (404, 410) or "FileNotFoundError" in names or "NotADirectoryError" in names:
        return NotFound, "check the path, or whether the file was moved or deleted"
    if status == 412 or "FileExistsError" in names:
        return AlreadyExists, "it was created before"
    if numbers & {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull, "the disk or quota is full; free some space and run again (nothing was written)"
    if "ConnectionError" in names or "TimeoutError" in names or names & _TRANSIENT_TYPES:
        return TransientStorageError, "the connection failed; check the network and the address"
    if status is None and numbers & _TRANSIENT_ERRNO:
        return TransientStorageError, "the storage is busy or cannot be reached; try again later"
    return StorageError, "the storage refused it"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__  # never __context__, which may be an unrelated error that the caller is handling


def _response(error: BaseException) -> dict[str, dict[str, object]]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}


def _status(error: BaseException) -> int | None:
    found = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    for name in ("status", "status_code", "code"):
        found = found if isinstance(found, int) else getattr(error, name, None)
    return found if isinstance(found, int) and 100 <= found < 600 else None


def _code(error: BaseException) -> str:
    code = _response(error).get("Error", {}).get("Code")
    return code if isinstance(code, str) else ""


def _detail(chain: list[BaseException]) -> str:
    name = type(chain[-1]).__name__
    status = next((found for link in chain if (found := _status(link)) is not None), None)
    code = next((found for link in chain if (found := _code(link))), "")
    number = next((link.errno for link in chain if isinstance(link, OSError) and link.errno), None)
    parts = [f"HTTP {status}" if status else "", code if not code.isdigit() else ""]
    if not any(parts) and number is not None:
        parts.append(errno.errorcode.get(number, str(number)))
    return " ".join([name, *(part for part in parts if part)])
