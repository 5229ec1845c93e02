import dataclasses
import hashlib
import io
import os
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from photo_archive import BAD, picture, record, results, settings, spec, store_photos, without_traces, write_plan
from PIL import Image

from pasd_batch.batch.worker import pipeline
from pasd_batch.batch.worker import shard_worker as worker_module
from pasd_batch.batch.worker.photo_loader import PhotoLoader
from pasd_batch.batch.worker.run_images import RunImages
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import Score
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import add_up, count_results
from pasd_batch.storage.storage import Storage


@pytest.fixture
def root(tmp_path):
    return tmp_path / "run"


def good_photos(folder, count):
    store_photos(folder, {f"{number:03d}.png": picture(number) for number in range(count)})
    return [record(folder / f"{number:03d}.png") for number in range(count)]


def run(run_spec, shards=1, **options):
    worker = ShardWorker(run_spec, **options)
    return [worker.run(shard) for shard in range(shards)]


def test_every_photo_becomes_a_row_and_a_file_that_the_row_describes(root, tmp_path):
    records = good_photos(tmp_path / "in", 12)
    shards = write_plan(root, records)
    outcomes = run(spec(settings(root)), shards)
    assert [(outcome.state, outcome.photos, outcome.failed) for outcome in outcomes] == [
        (ShardState.COMMITTED, 10, 0),
        (ShardState.COMMITTED, 2, 0),
    ]
    rows = results(root)
    assert list(rows) == [each.photo_id for each in records]
    for number, each in enumerate(records):
        row, stored = rows[each.photo_id], (root / "images" / each.output_path).read_bytes()
        assert row["status"] == "ok"
        assert row["album"] == "A"
        assert row["output_sha256"] == hashlib.sha256(stored).hexdigest()
        assert row["output_bytes"] == len(stored)
        assert row["output_uri"] == str(root / "images" / each.output_path)
        assert row["input_sha256"] == hashlib.sha256(picture(number)).hexdigest()
        assert (row["output_width"], row["output_height"]) == Image.open(io.BytesIO(stored)).size
        assert row["output_width"] == 2 * row["input_width"]
        assert row["input_format"] == "PNG"
        assert row["seed"] == photo_seed(0, each.photo_id)
        assert row["scores"]["contrast_output"] > 0
        assert "no reference" in row["score_errors"]
        assert row["prompt_used"].endswith("clean")
        assert all(row["seconds"][stage] >= 0 for stage in ("fetch", "decode", "restore", "score", "encode", "store"))


def test_a_photo_is_let_go_before_its_result_is_stored(root, tmp_path, monkeypatch):
    load, store, pixels = PhotoLoader.load, RunImages.store, []

    def watched_load(self, state):
        loaded = load(self, state)
        pixels.append(weakref.ref(loaded.photo.pixels))
        return loaded

    def store_once_it_is_gone(self, *arguments):
        deadline = time.monotonic() + 20
        while pixels[0]() is not None:
            assert time.monotonic() < deadline, "the photo's pixels are still held"
            time.sleep(0.01)
        return store(self, *arguments)

    monkeypatch.setattr(PhotoLoader, "load", watched_load)
    monkeypatch.setattr(RunImages, "store", store_once_it_is_gone)
    write_plan(root, good_photos(tmp_path / "in", 1))
    [outcome] = run(spec(settings(root)))
    assert (outcome.state, outcome.failed, len(pixels)) == (ShardState.COMMITTED, 0, 1)


def test_bad_photos_become_failed_rows_with_their_stage_and_the_others_are_untouched(root, tmp_path):
    folder = tmp_path / "in"
    records = good_photos(folder, 4)
    store_photos(folder, {f"{name}.jpg": data for name, data in BAD.items()})
    bad = [record(folder / f"{name}.jpg") for name in BAD]
    mixed = [records[0], *bad[:3], records[1], *bad[3:], records[2], records[3]]
    missing, forbidden = record(folder / "missing.png"), record("ftp://nowhere/a.png", name="forbidden.png")
    (root / "alone").mkdir(parents=True)
    write_plan(root, [*mixed, missing, forbidden], shard_size=100)
    write_plan(root / "alone", records)
    [outcome] = run(spec(settings(root)))
    run(spec(settings(root / "alone")))
    assert (outcome.photos, outcome.failed) == (len(mixed) + 2, len(bad) + 2)
    rows = results(root)
    for each in bad:
        row = rows[each.photo_id]
        assert (row["status"], row["error_stage"]) == ("failed", "decode"), row
        assert row["error_message"]
        assert row["output_sha256"] is None
        assert row["input_bytes"] == len(BAD[each.photo_id.removesuffix(".jpg")])
    assert (rows["missing.png"]["error_stage"], rows["missing.png"]["error_type"]) == ("fetch", "NotFound")
    assert rows["forbidden.png"]["error_type"] == "InvalidLocation"
    alone = results(root / "alone")
    for each in records:
        assert without_traces(rows[each.photo_id]) == without_traces(alone[each.photo_id])


def test_the_same_photo_gives_the_same_bytes_whatever_the_batch(root, tmp_path):
    records = good_photos(tmp_path / "in", 10)
    for name, workers in {"one": {"photo_batch": 1, "prefetch": 1}, "many": {"photo_batch": 8, "prefetch": 9}}.items():
        write_plan(root / name, records)
        run(spec(settings(root / name, workers=workers)))
    one, many = results(root / "one"), results(root / "many")
    assert {name: without_traces(row) for name, row in one.items()} == {
        name: without_traces(row) for name, row in many.items()
    }


def test_photos_with_tiles_of_one_size_are_restored_together_in_full_batches(root, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "PATIENCE_SECONDS", 60.0)
    made = []

    def load_watched_restorer(run_settings):
        made.append(tiny_models.TinyRestorer(2.0))
        return made[0]

    loaders = dataclasses.replace(tiny_models.TINY, restorer=load_watched_restorer)
    records = good_photos(tmp_path / "in", 12)
    write_plan(root, records, shard_size=12)
    run(spec(settings(root, workers={"photo_batch": 4, "prefetch": 8}), loaders))
    # Nine of one size and three of another.
    assert made[0].batches == [4, 4, 4]


def test_a_photo_that_fails_in_the_model_costs_its_batch_nothing(root, tmp_path):
    records = good_photos(tmp_path / "in", 6)
    records[2] = record(tmp_path / "in" / "002.png", prompt=tiny_models.FAILING)
    records[4] = record(tmp_path / "in" / "004.png", prompt=tiny_models.REFUSED)
    write_plan(root, records)
    run(spec(settings(root)))
    rows = results(root)
    failed = {name: row for name, row in rows.items() if row["status"] == "failed"}
    assert list(failed) == ["002.png", "004.png"]
    assert failed["002.png"]["error_type"] == "RuntimeError"
    assert failed["004.png"]["error_type"] == "OutOfMemoryError"
    assert {row["error_stage"] for row in failed.values()} == {"restore"}


def test_a_photo_past_its_deadline_fails_and_the_others_do_not(root, tmp_path):
    records = good_photos(tmp_path / "in", 4)
    records[1] = record(tmp_path / "in" / "001.png", prompt=tiny_models.SLOWLY)
    pipe = tmp_path / "in" / "never.png"
    os.mkfifo(pipe)
    records.append(record(pipe))
    write_plan(root, records)
    began = time.monotonic()
    # Long for the others on a busy machine too.
    run(spec(settings(root, deadlines={"restore": 3, "fetch": 6}, workers={"photo_batch": 1})))
    assert time.monotonic() - began < 60
    rows = results(root)
    assert rows["001.png"]["error_type"] == "DeadlineExceeded"
    assert rows["001.png"]["error_stage"] == "restore"
    assert rows["never.png"]["error_stage"] == "fetch"
    assert sum(row["status"] == "ok" for row in rows.values()) == 3


def test_storage_that_stalls_gives_the_shard_back(root, tmp_path, monkeypatch):
    write_plan(root, good_photos(tmp_path / "in", 3))
    create = Storage.create

    def stall(self, path, data):
        if path.startswith("images/001"):
            time.sleep(2.0)
        return create(self, path, data)

    with monkeypatch.context() as stalled:
        stalled.setattr(Storage, "create", stall)
        (outcome,) = run(spec(settings(root, deadlines={"store": 0.5})))
    assert outcome.state is ShardState.GIVEN_BACK
    assert "deadlines.store" in outcome.message
    (outcome,) = run(spec(settings(root, deadlines={"store": 0.5})))
    assert (outcome.state, outcome.failed) == (ShardState.COMMITTED, 0)
    assert {row["attempt"] for row in results(root).values()} == {0}, "no attempt is counted for it"


def test_a_worker_without_models_does_not_take_shards_from_others_in_haste(root, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_module, "_REST_SECONDS", 0.7)
    write_plan(root, good_photos(tmp_path / "in", 1))
    heard = []
    without = ShardWorker(spec(settings(root), tiny_models.WITHOUT_WEIGHTS), heard.append)
    outcomes = [without.run(0) for _ in range(10)]
    assert {outcome.state for outcome in outcomes} == {ShardState.GIVEN_BACK}
    assert all(outcome.seconds < 0.7 for outcome in outcomes[:8])
    assert all(outcome.seconds >= 0.7 for outcome in outcomes[8:])
    assert heard == [], "nobody takes it for one at work"


def test_scores_alone_need_no_model(root, tmp_path):
    records = good_photos(tmp_path / "in", 3)
    records[1] = record(tmp_path / "in" / "001.png", reference_uri=str(tmp_path / "in" / "000.png"))
    records[2] = record(tmp_path / "in" / "002.png", reference_uri=str(tmp_path / "in" / "missing.png"))
    write_plan(root, records)
    run(spec(settings(root, mode="score")))
    rows = results(root)
    assert rows["000.png"]["scores"]["contrast_input"] > 0
    assert rows["000.png"]["scores"]["contrast_output"] is None
    assert rows["001.png"]["scores"]["difference_reference"] > 0
    assert rows["002.png"]["error_stage"] == "reference"
    assert rows["002.png"]["error_message"].endswith("this is about the photo's reference_uri")
    assert rows["000.png"]["output_path"] is None
    assert rows["000.png"]["seed"] is None
    assert not (root / "images").exists()


class Unable(tiny_models.TinyScorer):
    """No score, with a reason for each, or with none."""

    def __init__(self, error):
        self._error = error

    def score(self, photo, restored, reference):
        return [Score(column.name, None, self._error) for column in self.columns]


@pytest.mark.parametrize("mode", ["score", "restore"])
@pytest.mark.parametrize(("error", "reason"), [("too small", "contrast_input: too small"), (None, "no metric")])
def test_a_photo_without_any_score_is_no_failure_and_its_row_says_why(root, tmp_path, mode, error, reason):
    write_plan(root, [*good_photos(tmp_path / "in", 3), record(tmp_path / "missing.png")])
    loaders = dataclasses.replace(tiny_models.TINY, scorer=lambda _: Unable(error))
    [outcome] = run(spec(settings(root, mode=mode), loaders))
    assert (outcome.photos, outcome.failed) == (4, 1)
    rows = list(results(root).values())
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["failed"]
    for row in rows[:3]:
        assert set(row["scores"].values()) == {None}
        assert row["score_errors"].startswith(reason)
        assert row["error_type"] is None
    counts = add_up(count_results(RunFolder.open(str(root), StorageSettings()), [0]))
    assert (counts.failed, counts.without_scores, counts.with_warnings) == (1, 3, 0)
    assert counts.outcomes() == "1 failed, 3 without scores"


def test_photos_with_warnings_are_counted(root, tmp_path, monkeypatch):
    write_plan(root, [*good_photos(tmp_path / "in", 2), record(tmp_path / "missing.png")])
    load = PhotoLoader.load

    def warn_of_one(self, state):
        if state.record.row == 1:
            state.warn("its profile is damaged and was left out")
        return load(self, state)

    monkeypatch.setattr(PhotoLoader, "load", warn_of_one)
    run(spec(settings(root)))
    counts = add_up(count_results(RunFolder.open(str(root), StorageSettings()), [0]))
    assert counts.outcomes() == "1 failed, 1 with warnings"


def test_images_in_parquet_are_the_files_that_would_have_been_written(root, tmp_path):
    records = good_photos(tmp_path / "in", 4)
    for images in ("files", "parquet", "both"):
        write_plan(root / images, records)
        run(spec(settings(root / images, output={"images": images})))
    files, inside, both = (results(root / images) for images in ("files", "parquet", "both"))
    for each in records:
        stored = (root / "files" / "images" / each.output_path).read_bytes()
        for row in (inside[each.photo_id], both[each.photo_id]):
            assert row["image"] == {"bytes": stored, "path": each.output_path}
        assert inside[each.photo_id]["output_uri"] is None
        assert (root / "both" / "images" / each.output_path).read_bytes() == stored
        assert "image" not in files[each.photo_id]
    assert not (root / "parquet" / "images").exists()


def test_images_beyond_one_result_file_fail_with_a_remedy(root, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (420, 420, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    store_photos(tmp_path / "in", {f"{number}.png": buffer.getvalue() for number in range(3)})
    records = [record(tmp_path / "in" / f"{number}.png") for number in range(3)]
    write_plan(root, records)
    run(spec(settings(root, output={"images": "parquet", "max_shard_mib": 3})))
    statuses = [(row["status"], row["error_type"]) for row in results(root).values()]
    assert statuses[0] == ("ok", None)
    assert statuses[2] == ("failed", "ShardTooLarge")


def test_a_committed_shard_is_left_alone(root, tmp_path):
    write_plan(root, good_photos(tmp_path / "in", 3))
    run(spec(settings(root)))
    before = results(root)
    [outcome] = run(spec(settings(root)))
    assert outcome.state is ShardState.COMMITTED_BEFORE
    assert results(root) == before
    assert [path.name for path in (root / "attempts" / "000000").iterdir()] == ["0"]


def test_what_an_earlier_attempt_stored_is_kept_and_described(root, tmp_path):
    records = good_photos(tmp_path / "in", 2)
    write_plan(root, records)
    left = picture(3)  # another photo of another size: not what this photo's file can be
    same_size = io.BytesIO()
    Image.new("RGB", (48, 64), (9, 9, 9)).save(same_size, "PNG")
    (root / "images").mkdir(parents=True)
    (root / "images" / "000.png").write_bytes(same_size.getvalue())
    (root / "images" / "001.png").write_bytes(left)
    run(spec(settings(root)))
    rows = results(root)
    assert rows["000.png"]["output_sha256"] == hashlib.sha256(same_size.getvalue()).hexdigest()
    stored = (root / "images" / "001.png").read_bytes()
    assert stored != left
    assert rows["001.png"]["output_sha256"] == hashlib.sha256(stored).hexdigest()


def test_trouble_with_the_runs_storage_gives_the_shard_back_and_counts_no_crash(root, tmp_path):
    records = good_photos(tmp_path / "in", 3)
    write_plan(root, records)
    (root / "images").write_text("in the way")
    [outcome] = run(spec(settings(root)))
    assert outcome.state is ShardState.GIVEN_BACK
    assert "images" in outcome.message
    assert not (root / "results").exists()
    assert list((root / "attempts" / "000000").iterdir()) == []
    (root / "images").unlink()
    [outcome] = run(spec(settings(root)))
    assert outcome.state is ShardState.COMMITTED


def test_models_that_do_not_load_give_the_shard_back(root, tmp_path):
    write_plan(root, good_photos(tmp_path / "in", 1))
    [outcome] = run(spec(settings(root), tiny_models.WITHOUT_WEIGHTS))
    assert outcome.state is ShardState.GIVEN_BACK
    assert "weights/unet" in outcome.message


def test_other_weights_than_the_run_began_with_are_refused(root, tmp_path):
    write_plan(root, good_photos(tmp_path / "in", 1))
    [outcome] = run(spec(settings(root), tiny_models.OTHER_WEIGHTS))
    assert outcome.state is ShardState.GIVEN_BACK
    assert "other weights" in outcome.message


def test_many_workers_at_one_shard_make_one_result(root, tmp_path):
    write_plan(root, good_photos(tmp_path / "in", 8))
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.extend(run(spec(settings(root, max_attempts=9))))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.state is ShardState.COMMITTED for outcome in outcomes) == 1
    rows = results(root)
    assert len(rows) == 8
    for row in rows.values():
        assert row["output_sha256"] == hashlib.sha256(Path(row["output_uri"]).read_bytes()).hexdigest()


def test_progress_is_told_photo_by_photo(root, tmp_path):
    write_plan(root, [*good_photos(tmp_path / "in", 3), record(tmp_path / "missing.png")])
    told = []
    run(spec(settings(root)), listener=told.append)
    assert [progress.photos for progress in told] == [0, 1, 2, 3, 4]
    assert told[-1].failed == 1


def test_rows_have_the_runs_schema_in_every_shard(root, tmp_path):
    records = [*good_photos(tmp_path / "in", 10), record(tmp_path / "missing.png")]
    shards = write_plan(root, records)
    run_spec = spec(settings(root))
    run(run_spec, shards)
    folder = RunFolder.open(str(root), StorageSettings())
    for shard in range(shards):
        assert folder.shard_rows(shard).schema.equals(run_spec.schema)


@pytest.mark.parametrize(("colorize", "mode"), [(False, "L"), (True, "RGB")])
def test_a_grey_photo_is_stored_and_scored_as_grey_unless_it_is_colorized(root, tmp_path, colorize, mode):
    seen = []

    class Watching(tiny_models.TinyScorer):
        def score(self, photo, restored, reference):
            seen.append(restored)
            return super().score(photo, restored, reference)

    loaders = dataclasses.replace(tiny_models.TINY, scorer=lambda _: Watching())
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(0))).convert("L").save(buffer, "PNG")
    store_photos(tmp_path / "in", {"grey.png": buffer.getvalue()})
    write_plan(root, [record(tmp_path / "in" / "grey.png")])
    restoration = {"model": {"base": "m", "control": "m"}, "sampling": {"colorize": colorize}}
    run(spec(settings(root, restoration=restoration), loaders))
    assert Image.open(root / "images" / "grey.png").mode == mode
    assert (np.ptp(seen[0], axis=2).max() == 0) is not colorize
