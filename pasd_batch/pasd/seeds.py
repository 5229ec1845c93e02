"""Derived seeds: of photos and samples from a run's, of further passes and retries from a photo's."""

import hashlib


def derived_seed(seed: int, purpose: str) -> int:
    """A seed in [0, 2**63) for a purpose, a hash of both."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
