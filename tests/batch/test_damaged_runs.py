"""Runs whose own files are damaged: said with the file and the remedy, and never to be resumable as they are."""

import pytest
import tiny_models
from photo_archive import picture, record, results, settings, spec, store_photos, write_plan

from pasd_batch.batch.exit_code import ExitCode
from pasd_batch.batch.ledger import AttemptLedger
from pasd_batch.batch.run import run_archive
from pasd_batch.batch.status import read_status
from pasd_batch.batch.worker import ShardState, ShardWorker
from pasd_batch.config.storage import StorageSettings
from pasd_batch.data.run_folder import RunDamaged
from pasd_batch.data.storage import Storage


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
    assert after["0.png"] == before["0.png"]
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
