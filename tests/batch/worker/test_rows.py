from photo_archive import settings, spec, state

from pasd_batch.batch.worker.rows import RowWriter
from pasd_batch.records import ImageFacts, PhotoFailure, Stage, WorkOrigin


def test_what_a_thread_that_was_given_up_still_finds_out_changes_no_row(tmp_path):
    photo = state(tmp_path / "a.png")
    failure = PhotoFailure(Stage.DECODE, "DeadlineExceeded", "too slow")
    row = RowWriter(spec(settings(tmp_path)), WorkOrigin(0, 0, "w")).end(photo, failure)
    before = {name: str(value) for name, value in row.items()}
    photo.row.input = ImageFacts("5a" * 32, 900)
    photo.warn("no profile")
    photo.took(Stage.DECODE, 9.0)
    assert {name: str(value) for name, value in row.items()} == before
    assert (row["status"], row["error_stage"], row["warnings"], row["album"]) == ("failed", "decode", [], "A")
