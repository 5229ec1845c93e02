"""`pasd-batch status --json`: the same as for people, for programs."""

import json

from tiny_run import MISSING_PHOTO, PHOTOS, TinyRun

from pasd_batch.cli import main


def test_the_status_is_one_json_object(tmp_path, capsys):
    run = TinyRun(tmp_path)
    assert main(["status", str(run.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["uri"], told["complete"]) == (str(run.root), True)
    assert (told["photos"], told["failed"], told["planned_photos"]) == (PHOTOS, 1, PHOTOS)
    assert told["error_rate"] == 1 / PHOTOS
    assert [each["photo_id"] for each in told["examples"]] == [f"{MISSING_PHOTO:02d}.png"]
