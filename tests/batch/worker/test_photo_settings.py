"""Settings that a photo's row of the manifest sets, from the manifest to the committed row."""

import json
from collections import deque

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import rows_of
from photo_archive import begin_run, loaded, picture, record, results, settings, spec, store_photos, without_traces
from PIL import Image

from pasd_batch.batch.worker.batching import take_batch
from pasd_batch.batch.worker.photo_loader import PhotoLoader
from pasd_batch.batch.worker.rows import RowWriter
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.config.base import ConfigError
from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.config.photo_settings import sampling_of
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.records import WorkOrigin
from pasd_batch.runs.failures import failures_of


def make_archive(folder, rows):
    """Photos `0.png` ... and a manifest with a further column or more for each."""
    store_photos(folder / "in", {f"{number}.png": picture(number) for number in range(len(rows))})
    every = [{"uri": f"in/{number}.png", "id": str(number), "album": "A"} | row for number, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(every), folder / "manifest.parquet")
    return folder / "manifest.parquet"


def restore(root, manifest, columns):
    spec, folder, _ = begin_run(root, manifest, manifest={"path": str(manifest), "columns": columns})
    assert ShardWorker(spec).run(0).state is ShardState.COMMITTED
    return results(root), folder


def test_a_photo_is_restored_by_its_own_settings_and_its_row_says_so(tmp_path):
    manifest = make_archive(
        tmp_path, [{"zoom": None, "seed": None}, {"zoom": 3.0, "seed": 7}, {"zoom": None, "seed": 8}]
    )
    rows, _ = restore(tmp_path / "run", manifest, {"scale": "zoom", "seed": "seed"})
    assert [rows[number]["scale"] for number in "012"] == [2.0, 3.0, 2.0]
    assert [rows[number]["seed"] for number in "012"] == [photo_seed(0, "0"), 7, 8]
    assert [rows[number]["output_width"] / rows[number]["input_width"] for number in "012"] == [2.0, 3.0, 2.0]


def test_values_that_a_setting_does_not_take_are_failed_rows_and_cost_no_other_photo(tmp_path):
    given = [{"zoom": "2.5"}, {"zoom": "much"}, {"zoom": "-1"}, {"zoom": " "}]
    rows, _ = restore(tmp_path / "run", make_archive(tmp_path, given), {"scale": "zoom"})
    assert [rows[number]["status"] for number in "0123"] == ["ok", "failed", "failed", "ok"]
    assert [rows[number]["scale"] for number in "03"] == [2.5, 2.0]
    for number, value in (("1", "much"), ("2", "-1")):
        row = rows[number]
        assert (row["error_stage"], row["error_type"], row["scale"]) == ("settings", "InvalidSettings", None)
        assert row["error_message"].startswith("the photo's own settings in the manifest cannot be used: scale: ")
        assert "scale" in row["error_message"]
        assert value in row["error_message"]


def test_a_column_that_is_not_named_as_a_setting_is_carried_as_it_is(tmp_path):
    manifest = make_archive(tmp_path, [{"scale": 5.0, "settings": "mine"}])
    rows, _ = restore(tmp_path / "run", manifest, {})
    assert (rows["0"]["scale"], rows["0"]["manifest_scale"], rows["0"]["manifest_settings"]) == (2.0, 5.0, "mine")


def test_a_named_column_that_is_missing_or_holds_lists_is_refused(tmp_path):
    manifest = make_archive(tmp_path, [{"zoom": [2.0]}])
    with pytest.raises(ManifestError, match=r"no column 'steps'.*manifest\.columns\.steps"):
        rows_of(manifest, ManifestColumns(steps="steps"))
    with pytest.raises(ManifestError, match="'zoom' holds list"):
        rows_of(manifest, ManifestColumns(scale="zoom"))


@pytest.mark.parametrize(("name", "columns"), [("failures.parquet", {}), ("failures.csv", {"scale": "zoom"})])
def test_failures_are_run_again_with_their_own_settings(tmp_path, name, columns):
    manifest = make_archive(tmp_path, [{"zoom": 3.0}, {"zoom": 4.0}])
    (tmp_path / "in" / "1.png").rename(tmp_path / "away.png")
    _, folder = restore(tmp_path / "run", manifest, {"scale": "zoom"})
    assert failures_of(folder.storage.uri(), str(tmp_path / name), StorageSettings()).photos == 1
    (tmp_path / "away.png").rename(tmp_path / "in" / "1.png")
    again, _ = restore(tmp_path / "again", tmp_path / name, columns)
    whole, _ = restore(tmp_path / "whole", manifest, {"scale": "zoom"})
    assert again["1"]["scale"] == 4.0
    ignored = {"manifest_fingerprint": None, "config_fingerprint": None, "zoom": None}
    assert without_traces(again["1"]) | ignored == without_traces(whole["1"]) | ignored


def test_every_setting_of_the_columns_is_one_of_sampling_but_the_page():
    every = ManifestColumns(**dict.fromkeys(ManifestColumns().model_fields, "x")).of_settings()
    assert set(every) == {
        "scale",
        "seed",
        "steps",
        "fidelity",
        "guidance_scale",
        "alpha_a",
        "conditioning_scale",
        "negative_prompt",
        "page",
    }
    assert set(every) - {"page"} <= set(SamplingSettings.model_fields)


def test_an_own_alpha_goes_before_the_runs_noise_level_and_all_else_stays():
    run = SamplingSettings(added_noise_level=900, steps=4, seed=5)
    own = sampling_of(run, {"alpha_a": "0.25", "negative_prompt": "blur", "seed": 3})
    assert (own.alpha_a, own.added_noise_level, own.steps, own.negative_prompt, own.seed) == (0.25, None, 4, "blur", 5)
    assert sampling_of(run, {}) is run
    with pytest.raises(ConfigError, match="alpha_a"):
        sampling_of(run, {"alpha_a": 2})


def test_an_own_scale_is_that_of_all_passes_together(tmp_path):
    last = SamplingSettings(scale=2.0)
    assert sampling_of(last, {"scale": 6, "steps": 3}, enlarged_before=1.5).scale == 4.0
    assert sampling_of(last, {"steps": 3}, enlarged_before=1.5).scale == 2.0
    passes = [{"sampling": {"scale": 1.5}}, {"sampling": {"scale": 2.0}}]
    writer = RowWriter(spec(settings(tmp_path, restoration={"passes": passes})), WorkOrigin(0, 0, "w"))
    own = writer.begin(record(tmp_path / "a.png", settings=json.dumps({"scale": 6})))
    assert (own.row.scale, own.sampling.scale) == (6.0, 4.0)
    plain = writer.begin(record(tmp_path / "b.png"))
    assert (plain.row.scale, plain.sampling.scale) == (3.0, 2.0)


def test_photos_of_other_settings_are_batched_apart():

    photos = [loaded(number) for number in range(4)]
    for photo in photos[::2]:
        photo.state.sampling = photo.state.sampling.model_copy(update={"steps": 3})
    ready = deque(photos)
    assert take_batch(ready, 4) == [photos[0], photos[2]]
    assert take_batch(ready, 4) == [photos[1], photos[3]]


def test_settings_in_the_plan_are_json_in_one_column(tmp_path):
    manifest = make_archive(tmp_path, [{"zoom": 3, "steps": float("nan")}, {"zoom": None, "steps": None}])
    rows = rows_of(manifest, ManifestColumns(scale="zoom", steps="steps"))
    assert json.loads(rows[0]["settings"]) == {"scale": 3}
    assert rows[1]["settings"] is None


def test_an_own_fidelity_is_the_photos_and_an_own_alpha_goes_before_the_runs_fidelity():
    run = SamplingSettings(fidelity=0.5, guidance_scale=3.0)
    assert sampling_of(run, {"fidelity": "0.75"}).fidelity == 0.75
    own = sampling_of(run, {"alpha_a": 0.2}).at_fidelity()
    assert (own.fidelity, own.alpha_a, own.guidance_scale) == (None, 0.2, 3.0)
    assert sampling_of(run, {"steps": 3}).fidelity == 0.5
    with pytest.raises(ConfigError, match="fidelity"):
        sampling_of(run, {"fidelity": 1.5})


CLASSES = [{"severity": 0, "kept_frequencies": 0.5}, {"severity": 0.5, "kept_frequencies": 0.1, "steps": 3}]
ADAPTING = {"adapt": True, "adaptation": {"scales": [{"noise_sigma": [5, 10], "classes": CLASSES}]}, "steps": 8}


def clean_and_noisy(folder):
    """A smooth photo `0.png` and the same one under noise, `1.png`, of 64 pixels a side."""
    smooth = np.add.outer(np.arange(64), np.arange(64))[..., None].repeat(3, 2) + 60.0
    noise = np.random.default_rng(0).normal(0, 20, smooth.shape)
    folder.mkdir()
    for name, pixels in (("0.png", smooth), ("1.png", smooth + noise)):
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
    rows = [{"uri": f"in/{number}.png", "id": str(number), "album": "A", "n": n} for number, n in ((0, None), (1, 5))]
    pq.write_table(pa.Table.from_pylist(rows), folder.parent / "manifest.parquet")
    return folder.parent / "manifest.parquet"


@pytest.mark.parametrize(("columns", "noisy_steps"), [({}, 3), ({"steps": "n"}, 5)])
def test_photos_are_loaded_with_the_settings_that_their_estimates_ask_for(tmp_path, columns, noisy_steps):
    manifest = {"path": str(clean_and_noisy(tmp_path / "in")), "columns": columns}
    told = spec(settings(tmp_path / "run", manifest=manifest, restoration={"sampling": ADAPTING}))
    own = None if not columns else json.dumps({"steps": 5})
    records = [record(tmp_path / "in" / f"{n}.png", settings=own if n else None) for n in (0, 1)]
    writer = RowWriter(told, WorkOrigin(0, 0, "w"))
    clean, noisy = (PhotoLoader(told.settings).load(writer.begin(each)) for each in records)
    chosen = [(each.state.sampling.kept_frequencies, each.state.sampling.steps) for each in (clean, noisy)]
    assert chosen == [(0.5, 8), (0.1, noisy_steps)]
    assert (clean.state.severity, noisy.state.severity) == (0.0, 1.0)
    assert not any(each.state.sampling.adapt for each in (clean, noisy))
    assert take_batch(deque([clean, noisy]), 4) == [clean]


def test_rows_say_how_severe_and_runs_that_do_not_adapt_say_nothing(tmp_path):
    manifest = clean_and_noisy(tmp_path / "in")
    for sampling, severities in ((ADAPTING, [0.0, 1.0]), ({"adapt": False}, [None, None])):
        root = tmp_path / f"run {len(sampling)}"
        told, _, _ = begin_run(root, manifest, restoration={"sampling": sampling})
        assert ShardWorker(told).run(0).state is ShardState.COMMITTED
        assert [results(root)[number]["severity"] for number in "01"] == severities
