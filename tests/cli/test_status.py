"""`pasd-batch status`: for people, and with --json for programs."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tiny_run import MISSING_PHOTO, PHOTOS, TinyRun

from pasd_batch.cli import main
from pasd_batch.runs.pace import RunPace, run_pace
from pasd_batch.runs.summary import ShardCounts

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_the_status_is_one_json_object(tmp_path, capsys):
    run = TinyRun(tmp_path)
    assert main(["status", str(run.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["uri"], told["complete"]) == (str(run.root), True)
    assert (told["photos"], told["failed"], told["planned_photos"]) == (PHOTOS, 1, PHOTOS)
    assert told["error_rate"] == 1 / PHOTOS
    assert told["seconds_left"] == 0
    assert told["last_activity"] == max(row["finished_at"] for row in run.rows).isoformat()
    assert [each["photo_id"] for each in told["examples"]] == [f"{MISSING_PHOTO:02d}.png"]


def test_the_status_for_people_tells_the_last_activity_and_the_pace(tmp_path, capsys):
    run = TinyRun(tmp_path)
    assert main(["status", str(run.root)]) == 0
    printed = capsys.readouterr().out
    assert f"last activity: {max(row['finished_at'] for row in run.rows):%Y-%m-%dT%H:%M:%S}+00:00, " in printed
    assert " photos an hour in the last hour of work\n" in printed


def shard(number: int, minutes_ago: tuple[float, float] | None, photos: int = 30) -> ShardCounts:
    ends = (None, None) if minutes_ago is None else [NOW - timedelta(minutes=each) for each in minutes_ago]
    sums = dict.fromkeys(("failed", "with_warnings", "without_scores", "isolated", "input_bytes", "output_bytes"), 0)
    return ShardCounts(
        number, photos, failures={}, seconds={}, worker_seconds={}, megapixels=0, gone=(), **sums,
        first_finished=ends[0], last_finished=ends[1],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shards", "told"),
    [
        ([], ["last activity: no shard is committed yet"]),
        ([shard(0, None)], ["last activity: no shard is committed yet"]),
        ([shard(0, (5, 5), photos=1)], ["last activity: 2026-05-04T11:55:00+00:00, 5 min 0 s ago"]),
        # What was done days ago says nothing about the pace; 59 intervals took 29.5 minutes.
        (
            [shard(0, (5000, 4900)), shard(1, (31.5, 20)), shard(2, (18, 2))],
            [
                "last activity: 2026-05-04T11:58:00+00:00, 2 min 0 s ago",
                "pace: 120 photos an hour in the last hour of work; about 5 min 0 s left",
            ],
        ),
    ],
)
def test_the_pace_is_that_of_the_last_hour_of_work(shards, told):
    assert run_pace(shards, planned=100).lines(NOW) == told


def test_nothing_is_left_of_a_complete_run():
    assert run_pace([shard(0, (31.5, 2))], planned=30) == RunPace(
        NOW - timedelta(minutes=2), pytest.approx(59.0, abs=0.1), 0
    )
