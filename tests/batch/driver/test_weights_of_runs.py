"""A run takes the weights that its names meant when it began, whoever works on it and whatever they mean later."""

from dataclasses import dataclass, replace

import pytest
from photo_archive import settings, spec
from tiny_models import TinyRestorer, load_scorer

from pasd_batch.batch.driver import fetching, preflight
from pasd_batch.batch.driver.preflight import check_storage_and_workers
from pasd_batch.batch.worker.models import ModelLoaders, fingerprint_model
from pasd_batch.batch.worker.pipeline import ModelsUnavailable, load_pipeline
from pasd_batch.runs.run_file import AnotherRun, claim_run, describe_run, read_run
from pasd_batch.storage.storage import Storage
from pasd_batch.weights_by_name import with_pins

BASE = {f"{part}/config.json": b"{}" for part in ("vae", "text_encoder", "tokenizer", "scheduler")}
FIRST = BASE | {"vae/diffusion_pytorch_model.safetensors": b"first"}
SECOND = BASE | {"vae/diffusion_pytorch_model.safetensors": b"second"}
CONTROL = {"unet/diffusion_pytorch_model.safetensors": b"unet", "controlnet/config.json": b"{}"}


def load_restorer(run_settings):
    return TinyRestorer(run_settings.restoration.sampling.scale)


LOADERS = ModelLoaders(load_restorer, load_scorer, fingerprint_model)
"""With the real fingerprint, of the files that were fetched."""


@dataclass
class Drivers:
    """What drivers do before they hand out shards; the worker is this process."""

    storage: Storage
    settings: object

    def begin_or_resume(self, wanted=None):
        run_settings = wanted or self.settings
        found = check_storage_and_workers(run_settings, self.storage, LOADERS)
        assert found.messages == []
        run = claim_run(
            self.storage,
            describe_run(
                run_settings,
                manifest_fingerprint="m",
                photos=1,
                model_fingerprint=found.worker.model_fingerprint,
                score_columns=(),
                weights=found.worker.weights,
            ),
        )
        return run, with_pins(run_settings, found.worker.weights | run.weights)


@pytest.fixture
def drivers(hub, tmp_path, monkeypatch):
    def here(function, *arguments, settings, seconds):
        return function(*arguments)

    for module in (preflight, fetching):
        monkeypatch.setattr(module, "run_on_worker", here)
    model = {"base": "hf://someone/sd", "control": "hf://someone/pasd@main/light"}
    run_settings = settings(tmp_path / "run", restoration={"model": model})
    return Drivers(Storage.open(str(tmp_path / "run")), run_settings)


def push_control(hub) -> str:
    return hub.push("someone/pasd", {f"light/{name}": data for name, data in CONTROL.items()})


def test_the_commit_is_in_the_run_file_and_a_resume_takes_it_when_the_branch_has_moved(hub, drivers):
    base, control = hub.push("someone/sd", FIRST), push_control(hub)
    run, _ = drivers.begin_or_resume()
    assert run.weights == {
        "hf://someone/sd": f"hf://someone/sd@{base}",
        "hf://someone/pasd@main/light": f"hf://someone/pasd@{control}/light",
    }
    assert read_run(drivers.storage) == run
    assert run.settings["restoration"]["model"]["base"] == "hf://someone/sd"
    hub.push("someone/sd", SECOND)
    resumed, for_workers = drivers.begin_or_resume()
    assert resumed == run
    assert for_workers.restoration.model.base == f"hf://someone/sd@{base}"
    worker = spec(for_workers)
    provenance = replace(worker.provenance, model_fingerprint=run.model_fingerprint)
    load_pipeline(replace(worker, loaders=LOADERS, provenance=provenance))


def test_a_run_that_began_with_a_folder_goes_on_with_a_name_of_the_same_contents(hub, drivers, tmp_path):
    hub.push("someone/sd", FIRST)
    push_control(hub)
    for folder, files in (("sd", FIRST), ("pasd", CONTROL)):
        for name, data in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    local = {"base": str(tmp_path / "sd"), "control": str(tmp_path / "pasd")}
    run, _ = drivers.begin_or_resume(settings(tmp_path / "run", restoration={"model": local}))
    assert run.weights == {}
    resumed, for_workers = drivers.begin_or_resume()
    assert resumed == run
    assert for_workers.restoration.model.base.startswith("hf://someone/sd@")


def test_other_weights_are_another_run(hub, drivers, tmp_path):
    hub.push("someone/sd", FIRST)
    hub.push("someone/sd", SECOND, branch="v2")
    push_control(hub)
    drivers.begin_or_resume()
    model = {"base": "hf://someone/sd@v2", "control": "hf://someone/pasd@main/light"}
    with pytest.raises(AnotherRun, match="model weights: "):
        drivers.begin_or_resume(settings(tmp_path / "run", restoration={"model": model}))


def test_what_cannot_be_had_is_one_problem_of_the_preflight_and_gives_a_shard_back(hub, drivers):
    hub.push("someone/sd", FIRST)
    found = check_storage_and_workers(drivers.settings, drivers.storage, LOADERS)
    (problem,) = found.messages
    assert "hf://someone/pasd@main/light" in problem
    assert "check the name, or set HF_TOKEN" in problem
    with pytest.raises(ModelsUnavailable, match="HF_TOKEN"):
        load_pipeline(replace(spec(drivers.settings), loaders=LOADERS))


def test_fetching_has_more_time_than_a_worker_has_to_come(hub, drivers, monkeypatch):
    hub.push("someone/sd", FIRST)
    push_control(hub)
    waited = []

    def run_on_worker(function, *arguments, settings, seconds):
        waited.append(seconds)
        if function is fetching._fetch:
            raise TimeoutError
        return function(*arguments)

    monkeypatch.setattr(fetching, "run_on_worker", run_on_worker)
    found = check_storage_and_workers(drivers.settings, drivers.storage, LOADERS)
    assert waited == [preflight.WORKER_SECONDS, fetching.FETCH_SECONDS]
    assert found.messages == ["weights did not come within 12 hours; fetch them before with `pasd-batch weights fetch`"]
