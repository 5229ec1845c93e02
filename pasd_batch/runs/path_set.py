"""Millions of paths held as 8 bytes each, to be asked which others are not among them."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence

import numpy as np


class PathSet:
    """A set of paths, kept as hashes of 64 bits: a path that is not in it is taken for one in a case of 10^12.

    Paths are added first; asking sorts them once.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._hashes = array("Q")
        self._sorted: np.ndarray | None = None
        self.add(paths)

    def add(self, paths: Iterable[str]) -> None:
        """Add paths; one that is there already may be added again."""
        self._hashes.extend(map(_hash, paths))
        self._sorted = None

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Those of `paths` that are not in the set, in their order."""
        known = self._in_order()
        if not len(known):
            return list(paths)
        wanted = np.fromiter(map(_hash, paths), np.uint64, len(paths))
        found = known[np.minimum(np.searchsorted(known, wanted), len(known) - 1)] == wanted
        return [path for path, there in zip(paths, found.tolist(), strict=True) if not there]

    def repeated(self) -> int:
        """Number of paths that were added more than once."""
        known = self._in_order()
        return int((known[1:] == known[:-1]).sum())

    def _in_order(self) -> np.ndarray:
        if self._sorted is None:
            self._sorted = np.sort(np.frombuffer(self._hashes, np.uint64))
        return self._sorted


def _hash(path: str) -> int:
    digest = hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
