"""Seeds that derive from a photo's own, for all that is done to it besides the first time."""

import hashlib


def derived_seed(seed: int, purpose: str) -> int:
    """A seed in [0, 2**63), unlike `seed` and those for other purposes."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
