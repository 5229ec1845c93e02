"""Settings of how files and objects are reached: which ones, how often and how long to try."""

import os
import re
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Self

from pydantic import Field, field_validator

from pasd_batch.config.base import InOrder, Settings

DEFAULT_SCHEMES = frozenset({"file", "s3", "gs", "gcs", "abfs", "az"})
"""Without `http` and `https`: whoever writes a manifest would have workers open addresses of their choice."""


LONGEST_WAIT = 365 * 86400.0
"""Seconds that may be set for a wait or a deadline at most: a year, as timers take no numbers of any size."""


def network_of(text: str) -> IPv4Network | IPv6Network | None:
    """The network that an address or `10.0.0.0/8` means; None: it is neither."""
    try:
        return ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


class RetryPolicy(Settings):
    """Retries after throttling (503, SlowDown), lost connections and timeouts."""

    attempts: int = Field(default=8, ge=1, le=100)
    """Tries in all, the first one included."""

    first_delay: float = Field(default=0.1, ge=0.0, le=LONGEST_WAIT)
    """Seconds before the second try; doubles with each further one, less a random half."""

    max_delay: float = Field(default=20.0, ge=0.0, le=LONGEST_WAIT)
    """Longest pause between two tries, in seconds."""

    timeout: float = Field(default=60.0, gt=0.0, le=LONGEST_WAIT)
    """Seconds one try on remote storage may take, on top of a second for each MiB moved."""


class StorageSettings(Settings):
    """Access to storage: where photos may be fetched from, and how patiently."""

    allowed_schemes: Annotated[frozenset[str], InOrder] = DEFAULT_SCHEMES
    """URI schemes that are opened; anything else is refused. `file` covers bare local paths. Add `https`, and `http`
    if need be, for manifests that you trust with it."""

    allowed_hosts: Annotated[frozenset[str], InOrder] = frozenset()
    """Host names, addresses or networks (`10.1.0.0/16`) that `http` and `https` may reach though they are this
    machine's, link-local or of a private network. Public ones need not be named."""

    allowed_folders: Annotated[frozenset[str], InOrder] = frozenset()
    """Local folders (absolute paths) below which a manifest may name photos, besides its own folder. Manifests that are
    no local files themselves, such as those on S3, may name local photos in these alone."""

    retry: RetryPolicy = RetryPolicy()
    """Retries of failures that may pass."""

    @field_validator("allowed_schemes")
    @classmethod
    def _schemes_alone(cls, schemes: frozenset[str]) -> frozenset[str]:
        for scheme in schemes:
            if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
                raise ValueError("write a scheme in small letters without what follows it, such as https")
        return schemes

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_alone(cls, hosts: frozenset[str]) -> frozenset[str]:
        for host in hosts:
            if not re.fullmatch(r"[\w.-]+", host) and network_of(host) is None:
                raise ValueError("write a host name, an address or a network, without scheme and port")
        return hosts

    @field_validator("allowed_folders")
    @classmethod
    def _absolute_folders(cls, folders: frozenset[str]) -> frozenset[str]:
        expanded = {os.path.expanduser(folder) for folder in folders}
        for folder in expanded:
            if not os.path.isabs(folder):
                raise ValueError(f"{folder!r}: write the absolute path of a folder, as workers may run in another one")
        return frozenset(map(os.path.normpath, expanded))

    def with_folders(self, folders: Collection[str]) -> Self:
        """The same, with more folders that may be opened."""
        return self.model_copy(update={"allowed_folders": self.allowed_folders | frozenset(folders)})
