"""When the driver stops handing out shards that are given back."""

from types import SimpleNamespace

import pytest

from pasd_batch.batch import dispatch
from pasd_batch.batch.worker import ShardOutcome, ShardProgress, ShardState


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
