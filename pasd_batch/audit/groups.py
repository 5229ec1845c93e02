"""Groups of photos that are duplicates of each other, made of the links between them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

UNIQUE = -1
"""In place of a photo's number: none."""


@dataclass(frozen=True, eq=False)
class DuplicateGroups:
    """Photos that have duplicates, 22 bytes each; arrays of shape (photos with duplicates,).

    Attributes:
        numbers: of the photos, rising.
        kept: number of the photo in the same group that has the most pixels, the first of these.
        sizes: photos in the group.
        distances: bits in which its hash differs from the most similar one, but for exact ones: 0.
        exact: True if a photo before it has the same pixels.
    """

    numbers: np.ndarray
    kept: np.ndarray
    sizes: np.ndarray
    distances: np.ndarray
    exact: np.ndarray

    def of(self, numbers: np.ndarray) -> "DuplicateGroups":
        """The same for these photos, in their order; those that have no duplicates are in groups of their own."""
        if not len(self.numbers):
            none = np.full(len(numbers), UNIQUE)
            return DuplicateGroups(numbers, none, np.ones_like(none), none, np.zeros(len(numbers), bool))
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        known = self.numbers[places] == numbers
        return DuplicateGroups(
            numbers,
            np.where(known, self.kept[places], UNIQUE),
            np.where(known, self.sizes[places], 1),
            np.where(known, self.distances[places], UNIQUE),
            known & self.exact[places],
        )


def groups_of(links: pa.Table) -> DuplicateGroups:
    """The connected groups of links (`LINK_SCHEMA`): what looks like one of them is in the group."""
    first, second = links["first"].to_numpy(), links["second"].to_numpy()
    numbers, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = places[: len(first)], places[len(first) :]
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(numbers), len(numbers)))
    _, labels = connected_components(graph, directed=False)
    pixels = np.zeros(len(numbers), np.int64)
    pixels[a], pixels[b] = links["first_pixels"].to_numpy(), links["second_pixels"].to_numpy()
    distances = np.full(len(numbers), np.iinfo(np.int8).max, np.int8)
    for place in (a, b):
        np.minimum.at(distances, place, links["distance"].to_numpy())
    exact = np.zeros(len(numbers), dtype=bool)
    exact[b[links["exact"].to_numpy(zero_copy_only=False)]] = True  # links of equal pixels lead from the first
    order = np.lexsort((numbers, -pixels, labels))
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = labels[order][1:] != labels[order][:-1]
    kept = np.empty_like(numbers)
    kept[labels[order][begins]] = numbers[order][begins]
    return DuplicateGroups(
        numbers, kept[labels], np.bincount(labels)[labels] if len(labels) else labels, distances, exact
    )
