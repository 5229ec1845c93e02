"""Links between photos that are alike, against comparing every photo with every other one."""

import numpy as np
import pyarrow as pa
import pytest

from pasd_batch.audit.groups import UNIQUE, groups_of
from pasd_batch.audit.links import BANDS, LINK_SCHEMA, key_table, links_of, parts_of

BITS = 6


def keys_of(seen, pixels_alike=None, sizes=None):
    numbers = np.arange(len(seen))
    alike = numbers if pixels_alike is None else np.asarray(pixels_alike)
    sizes = np.full(len(seen), 100) if sizes is None else np.asarray(sizes)
    return key_table(numbers, sizes, [f"{name:064x}"[::-1] for name in alike], [f"{hash_:016x}" for hash_ in seen])


def changed(hash_, *bits):
    for bit in bits:
        hash_ ^= 1 << bit
    return hash_


@pytest.fixture(scope="module")
def seen():
    """600 hashes: unrelated ones, ones with up to 8 bits changed, equal ones, and many that share a band."""
    chance = np.random.default_rng(0)
    hashes = chance.integers(0, 2**64, 300, dtype=np.uint64).tolist()
    for number in range(200):
        bits = chance.choice(64, chance.integers(0, 9), replace=False).tolist()
        hashes.append(changed(hashes[number], *bits))
    hashes += [(hash_ & ~0xFFFF) | 0x1234 for hash_ in chance.integers(0, 2**64, 100, dtype=np.uint64).tolist()]
    return hashes


def pairs(links):
    near = [row for row in links.to_pylist() if not row["exact"]]
    return [(row["first"], row["second"], row["distance"]) for row in near]


def test_all_pairs_that_share_a_band_are_compared_once(seen):
    found = {(min(a, b), max(a, b)): bits for a, b, bits in pairs(links_of(keys_of(seen), BITS))}
    assert len(found) == len(pairs(links_of(keys_of(seen), BITS)))
    for a in range(len(seen)):
        for b in range(a + 1, len(seen)):
            different = seen[a] ^ seen[b]
            shares = any((different >> 16 * band) & 0xFFFF == 0 for band in range(BANDS))
            expected = different.bit_count() if different and shares and different.bit_count() <= BITS else None
            assert found.pop((a, b), None if different else 0) == (expected if different else 0), (a, b)
    assert not found


@pytest.mark.parametrize("bits", [(0,), (0, 20), (0, 20, 40), (15, 16, 63)])
def test_hashes_that_differ_in_up_to_three_bits_are_found_for_certain(bits):
    links = pairs(links_of(keys_of([0xDEADBEEF12345678, changed(0xDEADBEEF12345678, *bits)]), BITS))
    assert [(a, b, distance) for a, b, distance in links] in ([(0, 1, len(bits))], [(1, 0, len(bits))])


@pytest.mark.parametrize(("most", "found"), [(None, 0), (0, 0), (1, 0), (2, 1), (6, 1)])
def test_the_setting_is_the_largest_number_of_bits(most, found):
    assert len(pairs(links_of(keys_of([0, changed(0, 3, 60)]), most))) == found


def test_many_that_are_all_alike_have_few_links():
    links = links_of(keys_of([7] * 500, pixels_alike=[1] * 500), BITS)
    assert links.num_rows == 2 * 499
    groups = groups_of(links)
    assert groups.sizes.tolist() == [500] * 500
    assert groups.exact.tolist() == [False] + [True] * 499


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_parts_can_be_compared_apart(seen, parts):
    keys = keys_of(seen, pixels_alike=[number // 3 for number in range(len(seen))])
    part = parts_of(keys, parts)
    assert part.min() >= 0
    assert part.max() < (BANDS + 1) * parts
    apart = [links_of(keys.filter(pa.array(part == number)), BITS) for number in np.unique(part)]
    as_set = {tuple(row.values()) for row in pa.concat_tables(apart).to_pylist()}
    assert as_set == {tuple(row.values()) for row in links_of(keys, BITS).to_pylist()}


def test_a_group_keeps_the_photo_of_most_pixels_and_the_first_of_these():
    first, other = 0, (1 << 63) - 1
    #      small, large, large again, unrelated, a copy of the unrelated one
    seen = [first, changed(first, 1), changed(first, 1), other, other]
    groups = groups_of(links_of(keys_of(seen, [0, 1, 1, 3, 3], [50, 100, 100, 70, 70]), BITS))
    told = groups.of(np.arange(6))
    assert told.kept.tolist() == [1, 1, 1, 3, 3, UNIQUE]
    assert told.exact.tolist() == [False, False, True, False, True, False]
    assert told.sizes.tolist() == [3, 3, 3, 2, 2, 1]
    assert told.distances.tolist() == [1, 0, 0, 0, 0, UNIQUE]


def test_what_is_like_one_of_a_group_is_in_it():
    chain = [0]
    for bit in range(0, 40, 4):
        chain.append(changed(chain[-1], bit, bit + 1, bit + 2, bit + 3))
    assert set(groups_of(links_of(keys_of(chain), BITS)).sizes.tolist()) == {len(chain)}


def test_without_links_nothing_is_a_duplicate():
    told = groups_of(LINK_SCHEMA.empty_table()).of(np.arange(3))
    assert told.kept.tolist() == [UNIQUE] * 3
    assert not told.exact.any()
