"""fsspec's file systems as they are used here: without caches and tries of their own, HTTP guarded by `web_guard`.

Google's keeps its tries, which cannot be set, but not its log.
"""

import logging
from typing import Any

import fsspec
import fsspec.config

HTTP = ("http", "https")
"""Schemes that are only read, and only by whole URLs."""

_CONNECT_TIMEOUT = 10.0


def open_filesystem(scheme: str, timeout: float, allowed_hosts: tuple[str, ...]) -> Any:
    """The file system of a scheme.

    Args:
        scheme: `s3`, `https` ...
        timeout: seconds that connecting to S3, and waiting for its next bytes, may take.
        allowed_hosts: hosts that HTTP may reach besides the public internet.

    Raises:
        ImportError: a package that the scheme needs is not installed.
    """
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme in HTTP:
        from pasd_batch.storage.web_guard import GuardedClient

        options["get_client"] = GuardedClient(allowed_hosts)
    if scheme == "s3":
        configured = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        options["config_kwargs"] = {
            **configured,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "connect_timeout": min(timeout, _CONNECT_TIMEOUT),
            "read_timeout": timeout,
            "max_pool_connections": 64,
        }
        from pasd_batch.storage.s3_filesystem import CheckedS3FileSystem

        filesystem = CheckedS3FileSystem(**options)
        filesystem.retries = 1  # the library's own loop; botocore's is set above
        return filesystem
    if scheme in ("gs", "gcs"):
        # Each failure comes here as an error, which is told; gcsfs logs it with two tracebacks before.
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    return fsspec.filesystem(scheme, **options)
