"""The real restorer and the real scorer in a worker, with weights that are random and tiny."""

import pytest
from photo_archive import picture, record, results, settings, spec, store_photos, write_plan

from pasd_batch.batch.worker.models import ModelLoaders, fingerprint_model, load_scorer
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.runs.run_file import describe_run


@pytest.fixture
def quick(tiny_model_folder):
    """Settings that restore with the tiny model."""
    return {
        "model": {"base": str(tiny_model_folder), "control": str(tiny_model_folder), "device": "cpu"},
        "sampling": {"steps": 2, "min_short_side": 64, "guidance_scale": 3.0, "scale": 2.0},
    }


def real_spec(run_settings):
    run = describe_run(
        run_settings,
        manifest_fingerprint="manifest",
        photos=3,
        model_fingerprint=fingerprint_model(run_settings),
        score_columns=tuple(load_scorer(run_settings).columns),
    )
    tiny = spec(run_settings)
    return WorkerSpec(tiny.settings, run.provenance, run.score_columns, tiny.extra_columns, ModelLoaders())


def test_a_shard_is_restored_and_scored_by_the_real_models(quick, tmp_path):
    names = [f"{number}.png" for number in range(3)]
    store_photos(tmp_path / "in", {name: picture(number) for number, name in enumerate(names)})
    plan = [record(tmp_path / "in" / name, prompt="a house") for name in names]
    write_plan(tmp_path / "run", plan)
    run_settings = settings(tmp_path / "run", restoration=quick)
    assert ShardWorker(real_spec(run_settings)).run(0).state is ShardState.COMMITTED
    rows = results(tmp_path / "run")
    assert [row["status"] for row in rows.values()] == ["ok"] * 3
    for row in rows.values():
        assert row["prompt_used"].startswith("a house")
        assert row["tiles"] >= 1
        assert row["output_width"] == 2 * row["input_width"]
        assert row["scores"]["fidelity_psnr"] > 0
        assert {"piqe_before", "piqe_after"} <= row["scores"].keys()


def test_the_models_fingerprint_is_that_of_its_weights_wherever_they_lie(quick, tiny_model_folder, tmp_path):
    here = settings(tmp_path / "run", restoration=quick)
    moved = tmp_path / "moved"
    _copy(tiny_model_folder, moved)
    folders = {"base": str(moved), "control": str(moved)}
    there = settings(tmp_path / "run", restoration=quick | {"model": folders})
    assert fingerprint_model(here) == fingerprint_model(there)
    weights = next((moved / "unet").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert fingerprint_model(here) != fingerprint_model(there)
    folders = {"base": str(tiny_model_folder), "control": str(moved)}
    apart = settings(tmp_path / "run", restoration=quick | {"model": folders})
    before = fingerprint_model(apart)
    schedule = moved / "scheduler" / "scheduler_config.json"
    schedule.write_text(schedule.read_text().replace('"beta_end"', '"end"'))
    assert fingerprint_model(apart) != before
    assert fingerprint_model(settings(tmp_path / "run", mode="score")) is None


def _copy(source, target):
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
