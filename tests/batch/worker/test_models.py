"""The real restorer and the real scorer in a worker, with weights that are random and tiny."""

import io

import numpy as np
import pytest
from photo_archive import picture, record, results, settings, spec, store_photos, write_plan
from PIL import Image

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


def test_a_photo_goes_through_several_passes_and_has_one_row(quick, tmp_path):
    """A grey one, so that the colours of the first pass are seen at the end."""
    gray = Image.open(io.BytesIO(picture(0))).convert("L")
    (tmp_path / "in").mkdir()
    gray.save(tmp_path / "in" / "gray.png")
    write_plan(tmp_path / "run", [record(tmp_path / "in" / "gray.png", prompt="a black and white house")])
    sampling = quick["sampling"] | {"guidance_scale": 1.0, "scale": 3.0}
    first = {"sampling": {"colorize": True, "scale": 1.5, "steps": 1}}
    passes = [first, {"sampling": {"trigger_words": "ink"}}]
    run_settings = settings(tmp_path / "run", restoration=quick | {"sampling": sampling, "passes": passes})
    assert ShardWorker(real_spec(run_settings)).run(0).state is ShardState.COMMITTED
    (row,) = results(tmp_path / "run").values()
    assert (row["status"], row["error_message"]) == ("ok", None)
    assert (row["scale"], row["steps"], row["tiles"]) == (3.0, 2, 2)
    assert (row["output_width"], row["output_height"]) == (3 * gray.width, 3 * gray.height)
    assert row["prompt_used"] == "ink, a color house, clean, high-resolution, 8k"
    with Image.open(tmp_path / "run" / "images" / row["output_path"]) as colored:
        assert colored.mode == "RGB"
        assert np.ptp(np.asarray(colored).astype(int), axis=2).max() > 10


def test_the_weights_of_every_pass_are_part_of_the_models_fingerprint(quick, tiny_model_folder, tmp_path):
    other = tmp_path / "other"
    _copy(tiny_model_folder, other)
    schedule = other / "scheduler" / "scheduler_config.json"
    schedule.write_text(schedule.read_text().replace('"beta_end"', '"end"'))

    def identity(*controls):
        passes = [{"model": {"control": str(control)}} for control in controls]
        return fingerprint_model(settings(tmp_path / "run", restoration=quick | {"passes": passes}))

    here = tiny_model_folder
    assert len({identity(here, here), identity(here, other), identity(other, here), identity(here, here, here)}) == 4
    one = fingerprint_model(settings(tmp_path / "run", restoration=quick))
    assert fingerprint_model(settings(tmp_path / "run", restoration=quick | {"passes": []})) == one


def _copy(source, target):
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
