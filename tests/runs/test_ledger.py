import threading

import pytest

from pasd_batch.runs.layout import starts_folder
from pasd_batch.runs.ledger import AttemptLedger
from pasd_batch.storage.storage import Storage


@pytest.fixture
def ledger(tmp_path):
    return AttemptLedger.of_shard(Storage.open(str(tmp_path)), 7)


def test_attempts_are_counted_up_and_each_knows_how_many_came_before(ledger, tmp_path):
    attempts = [ledger.begin("host/1") for _ in range(3)]
    assert [(attempt.number, attempt.earlier) for attempt in attempts] == [(0, 0), (1, 1), (2, 2)]
    assert sorted(path.name for path in (tmp_path / "attempts" / "000007").iterdir()) == ["0", "1", "2"]


def test_a_withdrawn_attempt_does_not_count_as_a_crash(ledger):
    ledger.begin("host/1")
    second = ledger.begin("host/1")
    ledger.withdraw(second.number)
    assert ledger.begin("host/1").earlier == 1


def test_a_photos_attempts_are_not_its_shards(ledger):
    ledger.begin("host/1")
    photo = AttemptLedger(ledger.storage, starts_folder(7, 3))
    assert photo.begin("host/1").number == 0
    assert photo.begin("host/1").earlier == 1
    assert ledger.numbers() == [0]


def test_attempts_begun_at_once_get_numbers_of_their_own(ledger):
    barrier, numbers = threading.Barrier(6), []

    def begin(who):
        barrier.wait()
        numbers.append(ledger.begin(f"host/{who}").number)

    threads = [threading.Thread(target=begin, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(6)) == ledger.numbers()
