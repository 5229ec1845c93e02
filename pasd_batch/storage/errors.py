"""Errors of storage, and how a library's errors are told apart.

fsspec backends report the same trouble in different ways: s3fs translates some codes into `OSError`s and leaves
others as botocore errors, HTTP gives aiohttp errors, local files give `errno`s. `classify` looks at the store's error
code and the HTTP status where there are any, else at the error's type and `errno`, anywhere in the chain of explicit
causes; `faults.py` is its table.
"""

import errno
import os
from collections.abc import Callable, Iterator
from ssl import SSLError
from typing import TypeVar

from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.storage.faults import Fault, fault_of_code, fault_of_errno, fault_of_status, fault_of_type

Result = TypeVar("Result")


class StorageError(TroubleAroundPhotos):
    """Storage could not do what was asked; the message names the URI (without credentials) and the remedy."""


class InvalidLocation(StorageError):
    """A URI or path that is not opened: scheme not allowed, outside its root, or malformed."""


class NotFound(StorageError):
    """There is no such file or object (404)."""


class Forbidden(StorageError):
    """Credentials or permissions do not allow it (401, 403, local permissions)."""


class CredentialsRefused(Forbidden):
    """Credentials are missing, unknown or expired, so that nothing is allowed, whatever is asked for."""


class AlreadyExists(StorageError):
    """A create found something there."""


class TooLarge(StorageError):
    """More bytes than the caller's limit, or than the storage takes in one piece."""


def refuse_larger(shown: str, size: int, max_bytes: int | None) -> None:
    """Make sure that a file or object of `size` bytes is within the limit (none: any is).

    Raises:
        TooLarge: it is not.
    """
    if max_bytes is not None and size > max_bytes:
        raise TooLarge(f"{shown}: {size:,} bytes is more than the limit of {max_bytes:,}; raise it or shrink the file")


class NameRefused(StorageError):
    """The storage takes no such name: too long, or with characters that it does not have."""


class StorageFull(StorageError):
    """No space or quota left; nothing was written."""


class TransientStorageError(StorageError):
    """Trouble of the storage or the way to it, not of the object: trying again may help."""


_KINDS: dict[Fault, tuple[type[StorageError], str]] = {
    Fault.PASSING: (TransientStorageError, "the storage is busy or failing; try again later or ask it for less"),
    Fault.CONNECTION: (TransientStorageError, "the connection failed; check the network and the address"),
    Fault.DAMAGED: (TransientStorageError, "what came is not what was sent; check the network, and proxies in it"),
    Fault.DEVICE: (TransientStorageError, "the disk or mount is in trouble; check it and the system's log"),
    Fault.MACHINE: (TransientStorageError, "the machine is short of files or memory; raise its limits (ulimit -n)"),
    Fault.CREDENTIALS: (CredentialsRefused, "the credentials are missing, unknown or expired; renew them"),
    Fault.CLOCK: (CredentialsRefused, "this machine's clock is wrong; set it"),
    Fault.FORBIDDEN: (Forbidden, "check the credentials and that they allow this"),
    Fault.MISSING: (NotFound, "check the path, or whether the file was moved or deleted"),
    Fault.EXISTS: (AlreadyExists, "it was created before"),
    Fault.FULL: (StorageFull, "the disk or quota is full; free some space and run again (nothing was written)"),
    Fault.TOO_LARGE: (TooLarge, "the storage takes no file of this size; use another one, or smaller files"),
    Fault.NAME: (NameRefused, "the storage takes no such name; use another one, or a shorter name without : ? * |"),
    Fault.LINK: (InvalidLocation, "links lead in a circle; replace them by the file"),
    Fault.FOLDER: (StorageError, "a folder has that name; give the path of a file, or move the folder away"),
    Fault.OTHER: (StorageError, "the storage refused it"),
}

BUGS = (TypeError, AttributeError, NameError, LookupError, AssertionError)
"""Errors of programs, which are never taken for a storage's."""


def translated(where: Callable[[], str], operation: Callable[[], Result]) -> Result:
    """Do something with storage; a library's error becomes a `StorageError`, a programming error stays what it is.

    Args:
        where: says which URI to name, without credentials.
        operation: what to do.
    """
    # The library's error is cut off (`from None`): its text may repeat a URL with its secrets.
    try:
        return operation()
    except (StorageError, *BUGS):
        raise
    except Exception as error:  # noqa: BLE001 (every store's library has errors of its own)
        raise classify(error, where()) from None


def classify(error: BaseException, where: str) -> StorageError:
    """The `StorageError` that a library's `error` amounts to; `where` is the URI to name, without credentials.

    Only the error's type, status and code enter the message: library messages repeat URLs with their secrets.
    """
    chain = list(_causes(error))
    own = next((link for link in chain if isinstance(link, StorageError)), None)
    if own is not None:
        return own  # such as an address that is not opened, found out inside a library
    detail = _detail(chain)
    kind, remedy = _KINDS[_fault(chain)]
    if kind is NotFound and (spaced := next((name for name in where.split("/") if name != name.strip()), None)):
        remedy += f"; {spaced!r} begins or ends with a space, perhaps by mistake"
    if any(isinstance(link, NotADirectoryError) for link in chain):
        remedy = "a part of the path is a file where a folder should be; give another path"
    return kind(f"{where}: {detail}; {remedy}")


def _fault(chain: list[BaseException]) -> Fault:
    status = next((found for link in chain if (found := _status(link)) is not None), None)
    names = {base.__name__ for link in chain for base in type(link).__mro__}
    told = (
        *(fault_of_code(_code(link)) for link in chain),
        None if status is None else fault_of_status(status),
        fault_of_type(names),
        *(fault_of_errno(number) for link in chain if (number := _errno(link)) is not None),
    )
    return next((fault for fault in told if fault is not None), Fault.OTHER)


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


def _errno(error: BaseException) -> int | None:
    # The numbers of name resolution are negative, and those of TLS are no errno: both are told by their types.
    return error.errno if isinstance(error, OSError) and not isinstance(error, SSLError) else None


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
        known = errno.errorcode.get(number)  # those of name resolution are none
        parts.append(f"{known} ({os.strerror(number)})" if known else str(number))
    return " ".join([name, *(part for part in parts if part)])
