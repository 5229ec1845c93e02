"""A whole run on Ray whose weights are names on the hub: fetched by its workers, pinned, and told in its rows."""

import tiny_models
from photo_archive import picture, results, settings, store_photos

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import run_archive
from pasd_batch.batch.worker.models import fingerprint_model
from pasd_batch.config.run import RunSettings
from pasd_batch.runs.run_file import read_run
from pasd_batch.runs.run_folder import open_run

QUICK = {"steps": 1, "min_short_side": 64, "guidance_scale": 1.0}


def named(base, control, captioner):
    return {
        "model": {"base": str(base), "control": str(control), "device": "cpu"},
        "sampling": QUICK,
        "describe": {"caption": {"weights": str(captioner), "max_tokens": 4}},
    }


def test_workers_fetch_what_is_named_and_the_run_keeps_the_commits(
    ray_cluster, cluster_hub, tiny_model_folder, describer_folder, tmp_path
):
    base = cluster_hub.push_folder("someone/sd", tiny_model_folder)
    control = cluster_hub.push_folder("someone/pasd", tiny_model_folder, below="light/")
    captioner = cluster_hub.push_folder("someone/blip", describer_folder("blip"))
    store_photos(tmp_path / "in", {"1.png": picture(1), "2.png": picture(2)})
    restoration = named("hf://someone/sd", "hf://someone/pasd/light", "hf://someone/blip")
    wanted = settings(tmp_path / "run", str(tmp_path / "in"), restoration=restoration)
    report = run_archive(wanted, show_progress=False, loaders=tiny_models.REAL)
    assert report.exit_code is ExitCode.DONE, report.message
    rows = results(tmp_path / "run")
    assert all(row["status"] == "ok" for row in rows.values())
    assert any(row["description"]["caption"] for row in rows.values())
    run = read_run(open_run(str(tmp_path / "run")).storage)
    assert run.weights == {
        "hf://someone/sd": f"hf://someone/sd@{base}",
        "hf://someone/pasd/light": f"hf://someone/pasd@{control}/light",
        "hf://someone/blip": f"hf://someone/blip@{captioner}",
    }
    local = named(tiny_model_folder, tiny_model_folder, describer_folder("blip"))
    model = fingerprint_model(RunSettings.parse(wanted.model_dump() | {"restoration": local}))
    assert {row["model_fingerprint"] for row in rows.values()} == {model}
