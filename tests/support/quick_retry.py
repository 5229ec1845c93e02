"""Patience for tests: troubles that the servers of these tests make pass within a moment."""

from pasd_batch.storage.storage import RetryPolicy

QUICK = RetryPolicy(attempts=4, first_delay=0.01, max_delay=0.05, timeout=5.0)
