"""What system calls, stores and libraries report, and what it is taken for."""

import errno
import os
import ssl

import aiohttp
import botocore.exceptions as botocore
import pytest
from failing_disk import FULL, PASSING, WRITING, FailingDisk
from quick_retry import QUICK

from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.errors import classify
from pasd_batch.storage.faults import Fault, fault_of_errno
from pasd_batch.storage.storage import (
    AlreadyExists,
    CredentialsRefused,
    Forbidden,
    InvalidLocation,
    NameRefused,
    NotFound,
    Storage,
    StorageError,
    StorageFull,
    TooLarge,
    TransientStorageError,
)

SAY_NOTHING = """
    E2BIG EADV EAFNOSUPPORT EADDRINUSE EBADE EBADF EBADR EBADRQC EBADSLT EBFONT ECHILD ECHRNG EDESTADDRREQ EDOM EDOTDOT
    EFAULT EHWPOISON EIDRM EISCONN EISNAM EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC ELIBMAX ELIBSCN
    ELNRNG EMLINK EMSGSIZE EMULTIHOP ENAVAIL ENOANO ENOCSI ENODATA ENOEXEC ENOMSG ENOPKG ENOPROTOOPT ENOSTR ENOSYS
    ENOTBLK ENOTEMPTY ENOTNAM ENOTRECOVERABLE ENOTSOCK ENOTSUP ENOTTY ENOTUNIQ EOPNOTSUPP EOWNERDEAD EPFNOSUPPORT
    EPROTONOSUPPORT EPROTOTYPE EQFULL ERANGE EREMCHG EREMOTE ERESTART ERFKILL ESOCKTNOSUPPORT ESPIPE ESRCH ESRMNT
    ESTRPIPE ETOOMANYREFS EUNATCH EXDEV EXFULL
"""
"""Of other calls than those on files, or that a file system lacks something: refused, for whatever reason."""


def test_every_errno_has_its_place():
    known = {number for number in errno.errorcode if fault_of_errno(number) is not None}
    rest = {getattr(errno, name) for name in SAY_NOTHING.split() if hasattr(errno, name)}
    assert known | rest == set(errno.errorcode), {
        errno.errorcode[number] for number in set(errno.errorcode) - known - rest
    }
    assert not known & rest


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *((number, TransientStorageError) for number in PASSING.values()),
        *((number, StorageFull) for number in FULL.values()),
        (errno.ENOENT, NotFound),
        (errno.EACCES, Forbidden),
        (errno.EEXIST, AlreadyExists),
        (errno.EFBIG, TooLarge),
        (errno.ENAMETOOLONG, NameRefused),
        (errno.ELOOP, InvalidLocation),
        (errno.EISDIR, StorageError),
        (errno.ENOSYS, StorageError),
    ],
)
def test_errnos(number, kind):
    error = classify(OSError(number, os.strerror(number)), "/a")
    assert type(error) is kind
    assert errno.errorcode[number] in str(error)


def client_error(code, status):
    return botocore.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (botocore.FlexibleChecksumError(error_msg="crc32"), TransientStorageError),
        (botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientStorageError),
        (botocore.ResponseStreamingError(error="cut"), TransientStorageError),
        (botocore.EndpointConnectionError(endpoint_url="x"), TransientStorageError),
        (botocore.CredentialRetrievalError(provider="iam", error_msg="throttled"), TransientStorageError),
        (botocore.NoCredentialsError(), CredentialsRefused),
        (aiohttp.ClientPayloadError("cut"), TransientStorageError),
        (aiohttp.ServerDisconnectedError(), TransientStorageError),
        (ssl.SSLError(1, "wrong version number"), TransientStorageError),
        (TimeoutError(), TransientStorageError),
        (client_error("SlowDown", 503), TransientStorageError),
        (client_error("InternalError", 200), TransientStorageError),
        (client_error("RequestTimeout", 400), TransientStorageError),
        (client_error("BadDigest", 400), TransientStorageError),
        (client_error("IncompleteBody", 400), TransientStorageError),
        (client_error("", 511), TransientStorageError),
        (client_error("", 520), TransientStorageError),
        (client_error("ExpiredToken", 400), CredentialsRefused),
        (client_error("InvalidAccessKeyId", 403), CredentialsRefused),
        (client_error("RequestTimeTooSkewed", 403), CredentialsRefused),
        (client_error("AccessDenied", 403), Forbidden),
        (client_error("InvalidObjectState", 403), Forbidden),
        (client_error("NoSuchKey", 404), NotFound),
        (client_error("PreconditionFailed", 412), AlreadyExists),
        (client_error("EntityTooLarge", 400), TooLarge),
        (client_error("KeyTooLongError", 400), NameRefused),
        (client_error("XMinioStorageFull", 507), StorageFull),
        (client_error("QuotaExceeded", 403), StorageFull),
        (client_error("MalformedXML", 400), StorageError),
    ],
)
def test_errors_of_libraries(error, kind):
    assert type(classify(error, "s3://bucket/a")) is kind


@pytest.mark.parametrize("operation", WRITING)
@pytest.mark.parametrize("name", PASSING)
def test_a_disk_in_trouble_for_a_moment_costs_nothing_and_leaves_nothing(tmp_path, monkeypatch, name, operation):
    storage = Storage.open(str(tmp_path / "run"), StorageSettings(retry=QUICK))
    times = 1 if operation == "unlink" else 2  # what cannot be deleted is tried again before the next write
    disk = FailingDisk(monkeypatch, tmp_path, PASSING[name], [operation], times)
    storage.create("images/created", b"new")
    storage.write("images/written", b"new")
    assert disk.failed == times
    assert storage.read("images/created") == storage.read("images/written") == b"new"
    assert sorted(os.listdir(tmp_path / "run/images")) == ["created", "written"]


@pytest.mark.parametrize("operation", WRITING)
@pytest.mark.parametrize("name", [*PASSING, *FULL])
def test_a_disk_in_trouble_for_long_leaves_nothing_half(tmp_path, monkeypatch, name, operation):
    number = {**PASSING, **FULL}[name]
    storage = Storage.open(str(tmp_path / "run"), StorageSettings(retry=QUICK.model_copy(update={"attempts": 2})))
    storage.write("images/written", b"old")
    disk = FailingDisk(monkeypatch, tmp_path, number, [operation])
    kinds = set()
    for call in (lambda: storage.create("images/new/created", b"new"), lambda: storage.write("images/written", b"new")):
        try:
            call()
        except StorageError as error:
            kinds.add(type(error))
    assert kinds <= {StorageFull if name in FULL else TransientStorageError}
    assert disk.failed
    disk.heal()
    storage.write("images/later", b"later")
    assert storage.read("images/written") in (b"old", b"new")
    assert {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()} <= {"written", "created", "later"}


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path, monkeypatch):
    storage = Storage.open(str(tmp_path), StorageSettings(retry=QUICK))
    flush = os.fsync

    def refuse_folders(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    storage.create("a", b"1")
    assert storage.read("a") == b"1"


def test_each_kind_of_trouble_has_a_remedy():
    from pasd_batch.storage.errors import _KINDS

    assert set(_KINDS) == set(Fault)
