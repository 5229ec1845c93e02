"""Runs whose own files are damaged: said with the file and the remedy, and never to be resumable as they are."""

import re

import pytest
import tiny_models
from photo_archive import begin_run, picture, record, results, settings, spec, store_photos, write_plan
from troubled_s3 import BUCKET

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.repair import Repair, repairing, run_again, settings_of_run
from pasd_batch.batch.driver.run import CannotGoOn, run_archive
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.ledger import AttemptLedger
from pasd_batch.runs.run_file import read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.shard_findings import ProblemKind
from pasd_batch.runs.status import read_status
from pasd_batch.runs.summary import summarize
from pasd_batch.runs.verification import Verifier
from pasd_batch.storage.storage import Storage


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def planned(tmp_path):
    """The root of a planned run of one shard of two photos."""
    store_photos(tmp_path / "in", {f"{number}.png": picture(number) for number in range(2)})
    write_plan(tmp_path / "run", [record(tmp_path / "in" / f"{number}.png") for number in range(2)])
    return tmp_path / "run"


def test_a_shard_whose_plan_is_damaged_is_given_back_as_such(planned):
    cut_short(planned / "plan" / "shard-000000.parquet")
    outcome = ShardWorker(spec(settings(planned))).run(0)
    assert outcome.state is ShardState.DAMAGED
    assert "plan/shard-000000.parquet" in outcome.message
    assert not (planned / "attempts").exists(), "no attempt is counted for it"


def test_a_damaged_row_of_a_shard_taken_apart_is_made_again(planned):
    AttemptLedger.of_shard(Storage.open(str(planned)), 0).begin("gone/1")
    run_spec = spec(settings(planned, max_attempts=1))
    assert ShardWorker(run_spec).run(0).state is ShardState.COMMITTED
    before = results(planned)
    kept = planned / "attempts" / "000000" / "photo-000001" / "row.parquet"
    cut_short(kept)
    (planned / "results" / "shard-000000.parquet").unlink()
    assert ShardWorker(run_spec).run(0).state is ShardState.COMMITTED
    after = results(planned)
    # The shard's time is shared by all of its photos, whenever they were restored.
    kept_rows = [{**rows["0.png"], "worker_seconds": None} for rows in (before, after)]
    assert kept_rows[0] == kept_rows[1]
    assert after["1.png"]["attempt"] == 2
    assert after["1.png"]["output_sha256"] == before["1.png"]["output_sha256"]


@pytest.mark.parametrize(
    ("path", "lost", "exit_code"),
    [
        ("run.json", None, ExitCode.CANNOT_START),
        ("plan/shard-000001.parquet", "results/shard-000001.parquet", ExitCode.INCOMPLETE),
        ("results/shard-000002.parquet", None, ExitCode.INCOMPLETE),
    ],
)
def test_a_resume_names_the_damaged_file_and_does_not_promise_to_resume(archive, finished_run, path, lost, exit_code):
    root = finished_run()
    cut_short(root / path)
    if lost is not None:
        (root / lost).unlink()
    report = run_archive(
        settings(root, archive.manifest, max_error_rate=0.5), show_progress=False, loaders=tiny_models.TINY
    )
    assert report.exit_code is exit_code, report.message
    assert path in report.message
    assert f"pasd-batch verify {root}" in report.message
    assert "resumes" not in report.message
    if path != "plan/shard-000001.parquet":  # which the status does not need
        with pytest.raises(RunDamaged, match=path):
            read_status(str(root), StorageSettings())


def test_a_repair_makes_a_run_whole_again_and_leaves_what_was_good(finished_run):
    root = finished_run()
    before, images = results(root), {path: path.read_bytes() for path in (root / "images").rglob("*.png")}
    folder = RunFolder.open(str(root), StorageSettings())
    run_file = read_run(folder.storage)
    assert run_file is not None
    lost = sorted(images)[3]
    lost.unlink()
    cut_short(root / "plan/shard-000001.parquet")
    cut_short(root / "results/shard-000002.parquet")
    began_with = settings_of_run(run_file, str(root))
    without_manifest = began_with.model_copy(update={"manifest": ManifestSettings(path="/gone.parquet")})
    with (
        pytest.raises(CannotGoOn, match=r"/gone\.parquet"),
        repairing(folder, run_file, without_manifest, loaders=tiny_models.TINY) as repair,
    ):
        Verifier(folder, run_file, on_shard=repair.take_out).verify()
    assert not (root / "damaged").exists(), "what cannot be done again is not taken out"
    with repairing(folder, run_file, began_with, loaders=tiny_models.TINY) as repair:
        assert not Verifier(folder, run_file, on_shard=repair.take_out).verify().whole
        assert repair.counts == {"plan files": 1, "photos": 11}
        report = run_again(repair, run_file, began_with, show_progress=False, loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.DONE, report.message
    assert Verifier(folder, run_file).verify().whole
    after = results(root)
    assert {path: path.read_bytes() for path in (root / "images").rglob("*.png")} == images
    again = {name for name, row in after.items() if row != before[name]}
    path = lost.relative_to(root / "images").as_posix()
    assert again == {name for name, row in before.items() if row["shard"] == 2 or row["output_path"] == path}
    assert (root / "damaged/plan/shard-000001.parquet").exists()


def test_a_run_in_a_store_is_mended_though_its_plan_hides_parts_of_uris(s3_server, tmp_path):
    client = s3_server.client()
    keys = [f"hidden/{number}.png?sig=SECRET{number}" for number in range(4)]
    for number, key in enumerate(keys):
        client.put_object(Bucket=BUCKET, Key=key, Body=picture(number))
    (tmp_path / "m.csv").write_text("\n".join(["uri", *(f"s3://{BUCKET}/{key}" for key in keys)]))

    def drive():
        """Begin the run or go on with it, in this process: two shards of two photos."""
        spec, folder, run = begin_run(f"s3://{BUCKET}/mended", tmp_path / "m.csv", shard_size=2)
        outcomes = [ShardWorker(spec).run(shard) for shard in range(run.shards)]
        assert all(each.state in (ShardState.COMMITTED, ShardState.COMMITTED_BEFORE) for each in outcomes), outcomes
        summarize(folder, run)
        return folder, run

    folder, run = drive()
    assert Verifier(folder, run).verify().whole
    stored = {path: folder.storage.read(path) for path in folder.storage.list("images")}
    missing, damaged, *good = sorted(stored)
    times = modified(client, good)
    folder.storage.delete(missing)
    folder.storage.write(damaged, stored[damaged][:-1])
    folder.storage.delete("plan/shard-000001.parquet")
    found = Verifier(folder, run, on_shard=Repair(folder).take_out).verify()
    assert found.counts == {
        ProblemKind.PHOTO_MISSING: 1,
        ProblemKind.PHOTO_DAMAGED: 1,
        ProblemKind.PLAN_MISSING: 1,
    }
    drive()
    assert Verifier(folder, run).verify().whole
    assert {path: folder.storage.read(path) for path in folder.storage.list("images")} == stored
    assert modified(client, good) == times
    assert not re.search(rb"SECRET\d", b"".join(folder.storage.read(path) for path in folder.storage.list()))
    assert not re.search(r"SECRET\d", "".join(folder.storage.list()))


def modified(client, paths):
    return [client.head_object(Bucket=BUCKET, Key=f"mended/{path}")["LastModified"] for path in paths]
