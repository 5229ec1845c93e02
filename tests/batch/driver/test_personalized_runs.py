"""Runs with personalised weights and LoRAs: what makes another run of one, and what does not."""

import shutil

import pytest
from photo_archive import settings

from pasd_batch.batch.worker.models import fingerprint_model
from pasd_batch.config.base import with_overrides
from pasd_batch.config.run import RunSettings
from pasd_batch.runs.run_file import AnotherRun, claim_run, describe_run
from pasd_batch.storage.storage import Storage
from pasd_batch.weights_by_name import on_this_machine


@pytest.fixture
def model(tiny_model_folder, tmp_path):
    """Settings of a model with personalised weights and a LoRA, whose files are below `weights`."""
    shutil.copytree(tiny_model_folder / "unet", tmp_path / "weights" / "toon" / "unet")
    (tmp_path / "weights" / "style.safetensors").write_bytes(b"factors")
    return {
        "base": str(tiny_model_folder),
        "control": str(tiny_model_folder),
        "personalized": {"weights": str(tmp_path / "weights" / "toon"), "strength": 0.8},
        "loras": [{"path": str(tmp_path / "weights" / "style.safetensors"), "weight": 0.7}],
    }


@pytest.fixture
def begin(tmp_path):
    storage = Storage.open(str(tmp_path / "run"))

    def begin_or_resume(model, **sampling):
        run_settings = settings(tmp_path / "run", restoration={"model": model, "sampling": sampling})
        fingerprint = fingerprint_model(on_this_machine(run_settings))
        return claim_run(
            storage,
            describe_run(
                run_settings, manifest_fingerprint="m", photos=1, model_fingerprint=fingerprint, score_columns=()
            ),
        )

    return begin_or_resume


@pytest.mark.parametrize("file", ["style.safetensors", "toon/unet/diffusion_pytorch_model.safetensors"])
def test_a_file_that_changes_in_place_makes_another_run(model, begin, tmp_path, file):
    begin(model)
    path = tmp_path / "weights" / file
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(AnotherRun, match=r"(?s)that differs:\n  model weights: \w+ in the run, \w+ now"):
        begin(model)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("personalized.strength=0.5", r"restoration\.model\.personalized\.strength: 0\.8 in the run, 0\.5 now"),
        ("personalized=null", r"restoration\.model\.personalized\.strength: 0\.8 in the run, not set now"),
        ("loras=[]", r"restoration\.model\.loras: \[.*0\.7.*\] in the run, \[\] now"),
    ],
)
def test_another_number_makes_another_run(model, begin, change, told):
    begin(model)
    changed = with_overrides({"restoration": {"model": model}}, [f"restoration.model.{change}"], RunSettings)
    with pytest.raises(AnotherRun, match=told):
        begin(changed["restoration"]["model"])


def test_other_trigger_words_make_another_run(model, begin):
    begin(model, trigger_words="toon style")
    with pytest.raises(AnotherRun, match="trigger_words: 'toon style' in the run, '' now"):
        begin(model)


def test_files_that_have_moved_are_the_same_run(model, begin, tmp_path):
    run = begin(model)
    (tmp_path / "weights").rename(tmp_path / "moved")
    (tmp_path / "moved" / "style.safetensors").rename(tmp_path / "moved" / "another name.safetensors")
    moved = {
        "personalized": {"weights": str(tmp_path / "moved" / "toon"), "strength": 0.8},
        "loras": [{"path": str(tmp_path / "moved" / "another name.safetensors"), "weight": 0.7}],
    }
    assert begin({**model, **moved}) == run


def test_weights_by_name_are_taken_with_their_files(model, hub, tmp_path):
    toon = tmp_path / "weights" / "toon" / "unet"
    hub.push("someone/toon", {f"unet/{path.name}": path.read_bytes() for path in toon.iterdir()})
    hub.push("someone/loras", {"style.safetensors": b"factors", "other.safetensors": b"others"})
    named = {
        "personalized": {"weights": "hf://someone/toon", "strength": 0.8},
        "loras": [{"path": "hf://someone/loras/style.safetensors", "weight": 0.7}],
    }
    local, fetched = (
        on_this_machine(settings(tmp_path / "run", restoration={"model": given}))
        for given in (model, {**model, **named})
    )
    assert fetched.restoration.model.loras[0].path.suffix == ".safetensors"
    assert fingerprint_model(fetched) == fingerprint_model(local)
