"""When the driver stops handing out shards that are given back."""

from types import SimpleNamespace

import pytest

from pasd_batch.batch.driver import dispatch
from pasd_batch.batch.worker.shard_worker import ShardOutcome, ShardProgress, ShardState


@pytest.mark.parametrize(("at_work", "handed_out"), [([ShardProgress(99, 0, 1, 0)], 20), ([], 8)])
def test_one_broken_worker_stops_the_run_only_where_nobody_else_is_at_work(monkeypatch, at_work, handed_out):
    given = []

    def run_shards(spec, shards, board):
        for shard in shards:
            given.append(shard)
            yield ShardOutcome(shard, ShardState.GIVEN_BACK, message="weights: no such folder")

    monkeypatch.setattr(dispatch, "run_shards", run_shards)
    monkeypatch.setattr(dispatch, "read_board", lambda board: at_work)
    trouble = dispatch._one_pass(SimpleNamespace(), SimpleNamespace(), range(20), None, SimpleNamespace())
    assert trouble is not None
    assert trouble.message == "weights: no such folder"
    assert len(given) == handed_out


def test_damage_of_one_shard_keeps_nobody_from_the_others(monkeypatch):
    def run_shards(spec, shards, board):
        for shard in shards:
            state = ShardState.GIVEN_BACK if shard in (3, 19) else ShardState.DAMAGED
            yield ShardOutcome(shard, state, message=f"trouble of {shard}")

    monkeypatch.setattr(dispatch, "run_shards", run_shards)
    monkeypatch.setattr(dispatch, "read_board", lambda board: [])
    trouble = dispatch._one_pass(SimpleNamespace(), SimpleNamespace(), range(20), None, SimpleNamespace())
    assert trouble is not None
    assert (trouble.state, trouble.message) == (ShardState.DAMAGED, "trouble of 18")


def test_a_full_disk_is_noticed_once_and_costs_no_attempts(monkeypatch):
    given, withdrawn = [], []
    states = {0: ShardState.COMMITTED, 1: ShardState.STORAGE_FULL}

    def run_shards(spec, shards, board):
        for shard in shards:
            given.append(shard)
            yield ShardOutcome(shard, states[shard], message="StorageFull: /run: free some space")

    class Results:
        storage = SimpleNamespace(uri=lambda: "/run")

        def committed(self):
            return [shard for shard in given if states[shard] is ShardState.COMMITTED]

    monkeypatch.setattr(dispatch, "run_shards", run_shards)
    monkeypatch.setattr(dispatch, "start_board", lambda: None)
    monkeypatch.setattr(dispatch, "read_board", lambda board: [ShardProgress(7, 2, 1, 0)])
    monkeypatch.setattr(dispatch, "expected_photos", lambda run, shard: 1)
    monkeypatch.setattr(dispatch, "_withdraw_attempts", lambda spec, running: withdrawn.extend(running))
    run, workers = SimpleNamespace(shards=20, photos=20), SimpleNamespace(price_per_hour=None)
    spec = SimpleNamespace(settings=SimpleNamespace(workers=workers))
    message = dispatch.work_off(run, spec, Results(), resumed=False, show_progress=False)
    assert message == "19 of 20 shards are left: StorageFull: /run: free some space"
    assert given == [0, 1]
    assert [each.shard for each in withdrawn] == [7]
