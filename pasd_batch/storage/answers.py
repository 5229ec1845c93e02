"""Checks of answers over the network: of a store and not of a proxy, whole, and unchanged."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pasd_batch.storage.errors import TransientStorageError

_ALWAYS_THERE = {
    "head_object": ("ETag", "ContentLength"),
    "get_object": ("ETag", "ContentLength"),
    "put_object": ("ETag",),
    "upload_part": ("ETag",),
    "create_multipart_upload": ("UploadId",),
    "complete_multipart_upload": ("ETag",),
    "list_objects_v2": ("Name",),
}
"""Headers that every S3 store sends in answer to an operation (Amazon S3 API reference, response syntax)."""

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|Error)\b",
    re.IGNORECASE | re.DOTALL,
)
_PAGE_TYPES = ("", "text/html", "application/xhtml+xml", "application/xml", "text/xml")
_DIRECTORY_BUCKET = "--x-s3"


def require_store_answer(method: str, answer: Mapping[str, Any], *, ranged: bool, bucket: str) -> None:
    """Make sure that an S3 store has answered, and with the byte range that was asked for.

    Raises:
        TransientStorageError: another server has, such as a proxy or captive portal, or with the whole object.
    """
    if any(answer.get(name) is None for name in _ALWAYS_THERE.get(method, ())):
        raise TransientStorageError(
            f"{bucket}: the answer to {method} is not that of an S3 store; a proxy or captive portal may have answered"
        )
    if method == "get_object" and ranged and not answer.get("ContentRange"):
        raise TransientStorageError(f"{bucket}: asked for a part of an object, got another; try again")


def require_whole_object(answer: Mapping[str, Any], data: bytearray, *, bucket: str, shown: str) -> None:
    """Make sure that `data` is the object that an S3 store describes in `answer`: all of it, and unchanged.

    Beyond the checksums that botocore compares by itself: an ETag of 32 digits is the MD5 of an object that was
    stored in one piece, unless it is encrypted with keys of KMS or the customer, or lies in a directory bucket.

    Raises:
        TransientStorageError: it is not.
    """
    if len(data) != answer["ContentLength"]:
        raise TransientStorageError(f"{shown}: got {len(data):,} of {answer['ContentLength']:,} bytes; try again")
    known = _MD5.fullmatch(answer["ETag"])
    encrypted = answer.get("SSECustomerAlgorithm") or answer.get("ServerSideEncryption", "AES256") != "AES256"
    if known is None or encrypted or bucket.endswith(_DIRECTORY_BUCKET):
        # What cannot be compared may still be seen not to be what anybody has stored as an object.
        require_no_page(answer.get("ContentType", ""), data, shown=shown)
    elif hashlib.md5(data, usedforsecurity=False).hexdigest() != known.group(1):
        raise TransientStorageError(
            f"{shown}: what came differs from what is stored (its MD5 is not the ETag); check the network, and "
            "proxies in it"
        )


def require_no_page(content_type: str, data: bytearray, *, shown: str) -> None:
    """Make sure that `data`, which nothing vouches for, is not a web page or an error message.

    Raises:
        TransientStorageError: it is.
    """
    type_alone = content_type.partition(";")[0].strip().lower()
    if type_alone in _PAGE_TYPES and _PAGE.match(bytes(data[:4096])):
        raise TransientStorageError(
            f"{shown}: the answer is a web page or an error message, not a file; a proxy or captive portal may have "
            "answered, or the address is that of a page"
        )
