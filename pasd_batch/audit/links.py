"""Links between photos with the same pixels, or that look alike, found in tables of their hashes.

Exact duplicates have equal pixel hashes. Near ones have perceptual hashes of 64 bits that differ in few: the hashes are
cut into four bands of 16 bits, and photos are compared that have a band in common. Two hashes that differ in up to 3
bits always have one.
"""

import numpy as np
import pyarrow as pa

EXACT = 4
"""Kind of a key of pixels; kinds 0 to 3 are the bands of perceptual hashes."""

BANDS, _BAND_BITS = 4, 16
_BAND_MASK = np.uint64(0xFFFF)
_BIT_COUNTS = np.array([number.bit_count() for number in range(1 << _BAND_BITS)], dtype=np.int8)

LINK_SCHEMA = pa.schema(
    [
        ("exact", pa.bool_()),
        ("first", pa.int64()),
        ("second", pa.int64()),
        ("distance", pa.int8()),
        ("first_pixels", pa.int64()),
        ("second_pixels", pa.int64()),
    ]
)
"""Links between two photos, each by its number and how many pixels it has; `distance` is that of the hashes in bits."""


def key_table(numbers: np.ndarray, pixels: np.ndarray, pixel_hashes: list[str], seen_hashes: list[str]) -> pa.Table:
    """Five keys a photo: of its pixels, and of each band of its perceptual hash.

    Columns: `kind` (int8), `high` and `low` (uint64; a key of pixels is the first 128 bits of their hash, a band's has
    the whole perceptual hash in `low`), `number` and `pixels` (int64). `numbers` and `pixels` are those of photos,
    (photos,); the hashes are hexadecimal.
    """
    exact = np.frombuffer(bytes.fromhex("".join(text[:32] for text in pixel_hashes)), dtype=">u8").reshape(-1, 2)
    seen = np.frombuffer(bytes.fromhex("".join(seen_hashes)), dtype=">u8")
    count = len(numbers)
    return pa.table(
        {
            "kind": np.repeat(np.arange(BANDS + 1, dtype=np.int8), count),
            "high": np.concatenate([np.zeros(BANDS * count, np.uint64), exact[:, 0].astype(np.uint64)]),
            "low": np.concatenate([*[seen.astype(np.uint64)] * BANDS, exact[:, 1].astype(np.uint64)]),
            "number": np.tile(numbers.astype(np.int64), BANDS + 1),
            "pixels": np.tile(pixels.astype(np.int64), BANDS + 1),
        }
    )


def parts_of(keys: pa.Table, parts: int) -> np.ndarray:
    """Number of the part, int32 (keys,), that each key is compared in: keys that may be alike are in the same one."""
    kind, low = keys["kind"].to_numpy(), keys["low"].to_numpy()
    by = np.where(kind == EXACT, low, _band(low, np.minimum(kind, BANDS - 1)))
    return (kind.astype(np.int32) * parts + (by % np.uint64(parts)).astype(np.int32)).astype(np.int32)


def links_of(keys: pa.Table, most_bits: int | None) -> pa.Table:
    """Links between the photos of a table of keys; `most_bits` that may differ, None: exact duplicates alone.

    Photos that are all alike are each linked to the first of them, so there are hardly more links than photos that have
    any.
    """
    found = []
    kinds = keys["kind"].to_numpy()
    for kind in np.unique(kinds).tolist():
        part = keys.filter(pa.array(kinds == kind))
        if kind == EXACT or most_bits is not None:
            found += _links_of_kind(part, kind, most_bits or 0)
    return pa.concat_tables([LINK_SCHEMA.empty_table(), *found])


def _links_of_kind(keys: pa.Table, kind: int, most_bits: int) -> list[pa.Table]:
    high, low, number, pixels = (keys[name].to_numpy() for name in ("high", "low", "number", "pixels"))
    order = np.lexsort((number, low, high))
    high, low, number, pixels = high[order], low[order], number[order], pixels[order]
    begins = np.ones(len(low), dtype=bool)
    begins[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    heads = np.maximum.accumulate(np.where(begins, np.arange(len(low)), 0))
    links = []
    if kind in (0, EXACT):  # equal hashes have every band in common: once is enough
        rest = np.flatnonzero(~begins)
        links.append(_table(kind == EXACT, heads[rest], rest, np.zeros(len(rest), np.int8), number, pixels))
    if kind != EXACT and most_bits > 0:
        distinct = np.flatnonzero(begins)
        first, second, distance = _near_pairs(low[distinct], kind, most_bits)
        links.append(_table(False, distinct[first], distinct[second], distance, number, pixels))
    return links


def _near_pairs(hashes: np.ndarray, kind: int, most_bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of different hashes that share this band and no earlier one: places of both, and bits that differ.

    Sorted by the band, each is compared with the next one, with that behind it, and so on to the end of the bucket: as
    many operations as there are pairs, a few of numpy's for each distance.
    """
    order = np.argsort(_band(hashes, kind), kind="stable")
    sorted_hashes, bands = hashes[order], _band(hashes, kind)[order]
    pairs = []
    alive, step = np.arange(len(hashes)), 1
    while True:
        alive = alive[alive + step < len(hashes)]
        alive = alive[bands[alive] == bands[alive + step]]
        if not len(alive):
            break
        different = sorted_hashes[alive] ^ sorted_hashes[alive + step]
        bits = _bit_count(different)
        near = (bits <= most_bits) & _no_earlier_band(different, kind)
        pairs.append((order[alive[near]], order[alive[near] + step], bits[near]))
        step += 1
    empty = np.empty(0, np.int64)
    first, second, distance = (
        np.concatenate([empty, *(pair[place] for pair in pairs)]).astype(np.int64) for place in range(3)
    )
    return first, second, distance.astype(np.int8)


def _no_earlier_band(different: np.ndarray, kind: int) -> np.ndarray:
    alone = np.ones(len(different), dtype=bool)
    for band in range(kind):
        alone &= _band(different, band) != 0
    return alone


def _band(hashes: np.ndarray, band: int | np.ndarray) -> np.ndarray:
    """The 16 bits of a band; band 0 has the lowest."""
    return (hashes >> np.asarray(np.multiply(band, _BAND_BITS), dtype=np.uint64)) & _BAND_MASK


def _bit_count(numbers: np.ndarray) -> np.ndarray:
    return sum((_BIT_COUNTS[_band(numbers, band)] for band in range(BANDS)), start=np.zeros(len(numbers), np.int8))


def _table(
    exact: bool, first: np.ndarray, second: np.ndarray, distance: np.ndarray, number: np.ndarray, pixels: np.ndarray
) -> pa.Table:
    return pa.table(
        {
            "exact": np.full(len(first), exact),
            "first": number[first],
            "second": number[second],
            "distance": distance,
            "first_pixels": pixels[first],
            "second_pixels": pixels[second],
        },
        schema=LINK_SCHEMA,
    )
