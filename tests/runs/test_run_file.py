import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from photo_archive import settings

from pasd_batch.batch.driver import run
from pasd_batch.batch.driver.preflight import WorkerReport
from pasd_batch.records import ScoreColumn
from pasd_batch.runs import run_file
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.layout import RUN_FILE
from pasd_batch.runs.run_file import AnotherRun, claim_run, describe_run, read_run
from pasd_batch.runs.run_folder import open_run
from pasd_batch.storage.storage import NotFound, Storage


@pytest.fixture
def storage(tmp_path):
    return Storage.open(str(tmp_path / "run"))


def described(changes=None, manifest="photos.csv", **values):
    return describe_run(
        settings("/run", manifest, **(changes or {})),
        **{
            "manifest_fingerprint": "m" * 64,
            "photos": 25,
            "model_fingerprint": "weights",
            "score_columns": (ScoreColumn("piqe", higher_is_better=False, source="pyiqa 0.1"),),
            **values,
        },
    )


def test_a_run_is_written_once_and_read_back_the_same(storage):
    assert read_run(storage) is None
    run = claim_run(storage, described())
    assert read_run(storage) == run
    assert run.shards == 3
    written = storage.read(RUN_FILE)
    assert claim_run(storage, described()).created_at == run.created_at
    assert storage.read(RUN_FILE) == written


def test_a_place_without_a_run_is_said_to_be_none(storage):
    with pytest.raises(NotFound, match=r"run\.json: there is no run; check the path"):
        open_run(storage.uri())
    claim_run(storage, described())
    assert open_run(storage.uri()).storage.uri() == storage.uri()


def test_a_run_knows_whether_it_began_with_photos(storage):
    assert not described().lists_photos
    claim_run(storage, described(lists_photos=True))
    run = read_run(storage)
    assert run is not None
    assert run.lists_photos


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"restoration": {"sampling": {"seed": 4}}}, "restoration.sampling.seed: 0 in the run, 4 now"),
        ({"output": {"images": "both"}}, "output.images: 'files' in the run, 'both' now"),
        ({"output": {"file": {"format": "jpeg"}}}, "output.file.format: 'png' in the run, 'jpeg' now"),
        ({"limits": {"max_pixels": 5}}, "limits.max_pixels: 250000000 in the run, 5 now"),
        ({"mode": "score"}, "mode: 'restore' in the run, 'score' now"),
        ({"metrics": {"no_reference": []}}, "metrics.no_reference: ['piqe'] in the run, [] now"),
    ],
)
def test_settings_that_decide_what_comes_out_may_not_change(storage, changes, line):
    claim_run(storage, described())
    with pytest.raises(AnotherRun) as refused:
        claim_run(storage, described(changes))
    assert line in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": {"min": 2, "gpus": 1, "prefetch": 9}},
        {"restoration": {"model": {"base": "/a", "control": "/b", "device": "cuda"}}},
        {"metrics": {"weights_dir": "/weights", "device": "cpu"}},
        {"max_attempts": 9, "max_error_rate": 1.0, "deadlines": {"fetch": 1.0}},
        {"storage": {"retry": {"attempts": 2}}},
        {"output": {"root": "/elsewhere"}},
    ],
)
def test_settings_of_where_and_how_patiently_may_change(storage, changes):
    run = claim_run(storage, described())
    assert claim_run(storage, described(changes)) == run


def test_a_setting_that_is_newer_than_the_run_may_have_its_default_only(storage):
    run = described()
    older = replace(run, config={**run.config, "limits": {"max_bytes": 2**30, "max_pixels": 250_000_000}})
    claim_run(storage, older)
    assert claim_run(storage, run) == older
    with pytest.raises(AnotherRun) as refused:
        claim_run(storage, described({"limits": {"on_damage": "fail"}}))
    assert "limits.on_damage: not set in the run, 'fail' now" in str(refused.value)
    assert "max_decoded_mib" not in str(refused.value)


def test_a_setting_of_passes_that_is_newer_than_the_run_may_have_its_default_only(storage):
    def passes(**last):
        return {"restoration": {"passes": [{"sampling": {"scale": 1}}, {"sampling": {"steps": 2, **last}}]}}

    older = described(passes())
    for each in older.config["restoration"]["passes"]:
        del each["sampling"]["step_cache"], each["sampling"]["scheduler_options"]
    claim_run(storage, older)
    assert claim_run(storage, described(passes())) == older
    with pytest.raises(AnotherRun) as refused:
        claim_run(storage, described(passes(step_cache=3)))
    told = "restoration.passes.1.sampling.step_cache: not set in the run, 3 now"
    assert [line.strip() for line in str(refused.value).splitlines()[1:-1]] == [told]


def test_another_manifest_model_or_set_of_scores_is_refused(storage):
    claim_run(storage, described())
    for values, line in (
        ({"manifest_fingerprint": "n" * 64, "photos": 7}, "manifest: 25 photos of photos.csv (mmmmmmmmmmmm)"),
        ({"model_fingerprint": "others"}, "model weights: weights in the run, others now"),
        ({"score_columns": ()}, "scores: ['piqe'] in the run, [] now"),
    ):
        with pytest.raises(AnotherRun) as refused:
            claim_run(storage, described(**values))
        assert line in str(refused.value)


def test_a_newer_metric_library_is_no_other_run(storage):
    claim_run(storage, described())
    newer = (ScoreColumn("piqe", higher_is_better=False, source="pyiqa 0.2"),)
    assert claim_run(storage, described(score_columns=newer)).score_columns[0].source == "pyiqa 0.1"


def test_the_run_file_holds_no_credentials(storage):
    claim_run(storage, described(manifest="https://me:swordfish@host/m.csv?X-Amz-Signature=opensesame"))
    text = storage.read(RUN_FILE).decode()
    assert "swordfish" not in text
    assert "opensesame" not in text


def test_a_folder_of_another_format_or_of_strangers_is_refused(storage):
    storage.write("images/holiday.jpg", b"")
    with pytest.raises(AnotherRun, match=r"images/holiday\.jpg"):
        claim_run(storage, described())
    storage.write(RUN_FILE, json.dumps({"format": 99, "software": {"pasd-batch": "9.0"}}).encode())
    with pytest.raises(AnotherRun, match=r"format 99.*9\.0"):
        read_run(storage)


@pytest.fixture(autouse=True)
def _published_defaults(monkeypatch):
    """The published sampling defaults, whether or not the package has weights with their own."""
    for reader in ("embedded_model", "restoration"):
        monkeypatch.setattr(f"pasd_batch.config.{reader}.embedded_sampling", dict)


@pytest.mark.parametrize(
    "data",
    [b"", b'{"format": 1, "photos": 25', b"[1]", b"{}", b'{"format": 1}', b'{"format": 1, "score_columns": [3]}'],
)
def test_a_damaged_run_file_is_named_with_the_remedy(storage, data):
    storage.write(RUN_FILE, data)
    with pytest.raises(RunDamaged, match=r"run/run\.json: .*pasd-batch verify .*--repair --config CONFIG"):
        read_run(storage)
    with pytest.raises(RunDamaged):
        claim_run(storage, described())
    assert storage.read(RUN_FILE) == data


def test_a_driver_that_begins_a_moment_later_takes_part(storage, monkeypatch):
    first = claim_run(storage, described())
    storage.write("plan/shard-000000.parquet", b"")
    # What the second driver saw before.
    seen = iter([None])
    monkeypatch.setattr(run_file, "read_run", lambda storage: next(seen, first))
    assert claim_run(storage, described()) is first
    run_file.refuse_strangers(storage)


def test_a_list_of_photos_that_another_driver_has_just_made_counts(storage, monkeypatch):
    described_lists = [described(lists_photos=True, manifest_fingerprint=each * 64) for each in "ab"]
    found = SimpleNamespace(manifest=SimpleNamespace(fingerprint="b" * 64, photos=25), lists_photos=True)
    worker = WorkerReport(model_fingerprint="weights", score_columns=described().score_columns)
    checks = []

    def check_run(*_):
        checks.append(read_run(storage))
        if len(checks) == 1:
            claim_run(storage, described_lists[0])  # the other driver, while this one checks
        else:
            found.manifest.fingerprint = "a" * 64  # now it reads that driver's list
        return found, worker

    monkeypatch.setattr(run, "check_run", check_run)
    joined, _, _, resumed = run._claim(settings("/run", "photos.csv"), storage, None)
    assert joined.manifest_fingerprint == "a" * 64
    assert resumed
    assert [each is not None for each in checks] == [False, True]
