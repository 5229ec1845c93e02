"""The table of storage trouble: what each `errno`, HTTP status, error code and library error says is wrong.

What passes by itself, or befalls whatever is asked for (a disk, a mount, a proxy, a machine out of file handles), is
kept apart from what is wrong with the one object: only the latter may ever be called a photo's failure.
Sources: errno(3) of Linux; RFC 9110 and 6585; the error codes of Amazon S3's API reference and of MinIO
(cmd/api-errors.go); the exceptions of botocore, aiohttp, gcsfs and azure-core.
"""

import errno
from collections.abc import Mapping, Set
from enum import Enum, auto


class Fault(Enum):
    """Kinds of fault, by what a person would do about them."""

    PASSING = auto()
    """Busy, throttling, failing for now."""
    CONNECTION = auto()
    """The other side is not reached, or lost half-way."""
    DAMAGED = auto()
    """Bytes were changed or left out on the way, or another server answered."""
    DEVICE = auto()
    """A disk or mount is failing, gone or read-only."""
    MACHINE = auto()
    """This process or machine has no handles, memory or locks left."""
    CREDENTIALS = auto()
    """Missing, unknown or expired, for whatever is asked."""
    CLOCK = auto()
    """Signed requests are refused for their time."""
    FORBIDDEN = auto()
    MISSING = auto()
    EXISTS = auto()
    FULL = auto()
    TOO_LARGE = auto()
    NAME = auto()
    LINK = auto()
    FOLDER = auto()
    """A folder is where a file is to be."""
    OTHER = auto()
    """Codes that say nothing more than that it was refused."""


# Names instead of numbers, because not every system has all of them.
_ERRNO: Mapping[Fault, str] = {
    Fault.PASSING: "EAGAIN EWOULDBLOCK EBUSY EINTR EDEADLK EDEADLOCK ETXTBSY ECANCELED EINPROGRESS EALREADY",
    Fault.CONNECTION: "ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH ENETDOWN ENETRESET ENETUNREACH "
    "EPIPE ETIMEDOUT ETIME ESHUTDOWN ECOMM ENOLINK ENONET EPROTO EADDRNOTAVAIL",
    Fault.DEVICE: "EIO EREMOTEIO EROFS ESTALE ENOTCONN ENODEV ENXIO ENOMEDIUM EMEDIUMTYPE EUCLEAN EBADMSG EBADFD",
    Fault.MACHINE: "EMFILE ENFILE ENOMEM ENOBUFS ENOLCK ENOSR EUSERS",
    Fault.CREDENTIALS: "ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED",
    Fault.FORBIDDEN: "EACCES EPERM",
    Fault.MISSING: "ENOENT ENOTDIR",
    Fault.EXISTS: "EEXIST",
    Fault.FULL: "ENOSPC EDQUOT",
    Fault.TOO_LARGE: "EFBIG EOVERFLOW",
    Fault.NAME: "ENAMETOOLONG EILSEQ EINVAL",
    Fault.LINK: "ELOOP",
    Fault.FOLDER: "EISDIR",
}

_STATUS: Mapping[Fault, frozenset[int]] = {
    Fault.PASSING: frozenset({408, 425, 429}),
    # 407 and 511 are a proxy's or portal's, 416 a range of what the object was before.
    Fault.DAMAGED: frozenset({407, 416, 421, 511}),
    Fault.FORBIDDEN: frozenset({401, 403}),
    Fault.MISSING: frozenset({404, 410}),
    Fault.EXISTS: frozenset({412}),
    Fault.FULL: frozenset({507}),
    Fault.TOO_LARGE: frozenset({413}),
    Fault.NAME: frozenset({414}),
    Fault.OTHER: frozenset({501, 505}),
}

_CODES: Mapping[Fault, str] = {
    Fault.PASSING: "SlowDown SlowDownRead SlowDownWrite RequestTimeout Throttling ThrottlingException TooManyRequests "
    "InternalError ServiceUnavailable OperationAborted ConditionalRequestConflict RequestLimitExceeded Busy",
    # What was sent did not arrive as it was.
    Fault.DAMAGED: "BadDigest IncompleteBody XAmzContentChecksumMismatch XAmzContentSHA256Mismatch",
    Fault.CREDENTIALS: "ExpiredToken ExpiredTokenException InvalidToken TokenRefreshRequired InvalidAccessKeyId "
    "InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch AuthFailure AccountProblem NotSignedUp",
    Fault.CLOCK: "RequestTimeTooSkewed RequestExpired",
    Fault.FULL: "QuotaExceeded InsufficientStorage XMinioStorageFull XMinioAdminBucketQuotaExceeded",
    Fault.TOO_LARGE: "EntityTooLarge",
    Fault.NAME: "KeyTooLongError XMinioInvalidObjectName",
}

# By name, because the libraries they come from (botocore, aiohttp, azure, google) need not be installed.
_TYPES: Mapping[Fault, str] = {
    Fault.DAMAGED: "FlexibleChecksumError ChecksumError ResponseParserError ResponseStreamingError IncompleteRead "
    "IncompleteReadError ClientPayloadError ContentLengthError TransferEncodingError ContentEncodingError "
    "BadHttpMessage BadStatusLine TooManyRedirects",
    # Services that hand out credentials fail for moments, as those of instances do under load.
    Fault.CONNECTION: "ConnectionError TimeoutError HTTPClientError ClientConnectionError ServiceRequestError "
    "ServiceResponseError TransportError SSLError gaierror herror CredentialRetrievalError MetadataRetrievalError",
    Fault.CREDENTIALS: "NoCredentialsError PartialCredentialsError NoAuthTokenError TokenRetrievalError "
    "SSOTokenLoadError UnauthorizedSSOTokenError LoginTokenLoadError DefaultCredentialsError RefreshError "
    "ClientAuthenticationError",
    Fault.FORBIDDEN: "PermissionError",
    Fault.MISSING: "FileNotFoundError NotADirectoryError",
    Fault.EXISTS: "FileExistsError",
}


def fault_of_errno(number: int) -> Fault | None:
    """Fault that a system call's `errno` names; None for those that are no storage's."""
    return _BY_ERRNO.get(number)


def fault_of_status(status: int) -> Fault | None:
    """Fault that an HTTP status names; None for one that is no error."""
    found = next((fault for fault, statuses in _STATUS.items() if status in statuses), None)
    return Fault.PASSING if found is None and status >= 500 else found


def fault_of_code(code: str) -> Fault | None:
    """Fault that the error code of an object store names; None for what its HTTP status says as well."""
    return _BY_CODE.get(code)


def fault_of_type(names: Set[str]) -> Fault | None:
    """Fault that the names of an error's classes tell."""
    return next((fault for fault, known in _TYPES.items() if names & set(known.split())), None)


_BY_ERRNO = {
    getattr(errno, name): fault for fault, names in _ERRNO.items() for name in names.split() if hasattr(errno, name)
}
_BY_CODE = {code: fault for fault, codes in _CODES.items() for code in codes.split()}
