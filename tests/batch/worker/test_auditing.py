"""A worker that audits: rows with measures, of photos that cannot be read, too; no model, no files."""

from dataclasses import replace

import pyarrow.parquet as pq
from photo_archive import BAD, picture, record, settings, spec, store_photos, write_plan

from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.records import AUDIT_TYPE
from pasd_batch.runs.layout import result_path

WITHOUT_METRICS = {"no_reference": [], "full_reference": []}


def audited(root, folder, names, **changes):
    write_plan(root, [record(folder / name) for name in names])
    run_spec = spec(settings(root, mode="audit", metrics=WITHOUT_METRICS, **changes), ModelLoaders())
    outcome = ShardWorker(replace(run_spec, score_columns=())).run(0)
    assert outcome.state is ShardState.COMMITTED, outcome
    return pq.read_table(root / result_path(0))


def test_rows_have_measures_and_bad_photos_fail_as_in_any_run(tmp_path):
    photos = {f"{number}.png": picture(number) for number in range(3)}
    store_photos(tmp_path / "in", photos | BAD)
    table = audited(tmp_path / "run", tmp_path / "in", [*photos, *BAD, "missing.png"])
    assert table.schema.field("audit").type == AUDIT_TYPE
    assert "scores" not in table.column_names
    rows = {row["photo_id"]: row for row in table.to_pylist()}
    for name in photos:
        row = rows.pop(name)
        assert (row["status"], row["output_path"], row["scale"], row["model_fingerprint"]) == (
            "ok",
            None,
            None,
            None,
        )
        assert 0 <= row["audit"]["brightness_01"] <= row["audit"]["brightness_99"] <= 1
        assert len(row["audit"]["perceptual_hash"]) == 16
        assert row["blur_sigma"] is not None or row["noise_sigma"] is not None or row["jpeg_strength"] is None
    assert {name: (row["status"], row["error_stage"], row["audit"]) for name, row in rows.items()} == {
        **dict.fromkeys(BAD, ("failed", "decode", None)),
        "missing.png": ("failed", "fetch", None),
    }
    assert not (tmp_path / "run" / "images").exists()


def test_rows_of_other_runs_have_no_measures(tmp_path):
    store_photos(tmp_path / "in", {"0.png": picture(0)})
    write_plan(tmp_path / "run", [record(tmp_path / "in" / "0.png")])
    run_spec = spec(settings(tmp_path / "run", mode="score"))
    assert ShardWorker(run_spec).run(0).state is ShardState.COMMITTED
    assert "audit" not in pq.read_table(tmp_path / "run" / result_path(0)).column_names
