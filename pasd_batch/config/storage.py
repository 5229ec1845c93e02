"""Settings of how files and objects are reached: which schemes, how often and how long to try."""

from typing import Annotated

from pydantic import Field

from pasd_batch.config.base import InOrder, Settings

DEFAULT_SCHEMES = frozenset({"file", "s3", "gs", "gcs", "abfs", "az", "http", "https"})


LONGEST_WAIT = 365 * 86400.0
"""Seconds that may be set for a wait or a deadline at most: a year, as timers take no numbers of any size."""


class RetryPolicy(Settings):
    """How throttling (503, SlowDown), lost connections and timeouts are tried again."""

    attempts: int = Field(default=8, ge=1, le=100)
    """Tries in all, the first one included."""

    first_delay: float = Field(default=0.1, ge=0.0, le=LONGEST_WAIT)
    """Seconds before the second try; doubles with each further one, less a random half."""

    max_delay: float = Field(default=20.0, ge=0.0, le=LONGEST_WAIT)
    """Longest pause between two tries, in seconds."""

    timeout: float = Field(default=60.0, gt=0.0, le=LONGEST_WAIT)
    """Seconds one try on remote storage may take, on top of a second for each MiB moved."""


class StorageSettings(Settings):
    """Where photos may be fetched from, and how patiently."""

    allowed_schemes: Annotated[frozenset[str], InOrder] = DEFAULT_SCHEMES
    """URI schemes that are opened; anything else is refused. `file` covers bare local paths."""

    retry: RetryPolicy = RetryPolicy()
    """How failures that may pass are tried again."""
