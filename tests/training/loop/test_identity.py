"""Trainings begun by version 0.1.0, some settings of which are constants now."""

import json
from pathlib import Path
from typing import Any

import pytest

from pasd_batch.config.training import load_training
from pasd_batch.storage.storage import Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.identity import SETTINGS_FILE, claim_output

BEGUN = Path(__file__).parent / "begun_by_0.1.0"
CONSTANTS: dict[str, dict[str, Any]] = {
    "train_tiny": {"model.first_prediction": "random"},
    "train_tiny_vae": {
        "sizes.upsampling": "nearest",
        "encoder": "random",
        "decoder": "random",
        "decoder_only": False,
    },
}
"""Values of what is no setting any more with which a training goes on, and what depends on them."""


def begun(folder: Path, name: str, **changes: Any) -> Storage:
    """Output of a training that 0.1.0 began with what are constants now, and with dotted settings changed."""
    kept = json.loads((BEGUN / f"{name}.json").read_text())
    for path, value in {**CONSTANTS[name], **changes}.items():
        *groups, last = path.split(".")
        group = kept
        for key in groups:
            group = group[int(key) if key.isdigit() else key]
        assert last in group
        group[last] = value
    storage = Storage.open(str(folder))
    storage.write(SETTINGS_FILE, json.dumps(kept).encode())
    return storage


@pytest.mark.parametrize("name", ["train_tiny", "train_tiny_vae"])
def test_a_training_of_an_earlier_version_goes_on(tmp_path: Path, name: str) -> None:
    claim_output(begun(tmp_path, name), load_training(BEGUN / f"{name}.yaml"))


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("train_tiny", "data.samples.degradation.shares.0.degradation.jpeg_first_probability", 0.7),
        ("train_tiny", "data.samples.degradation.shares.1.degradation.second.blur.rotation", [0.0, 1.0]),
        ("train_tiny", "data.samples.degradation.shares.3.degradation.scratches.waver", [0.0, 9.0]),
        ("train_tiny", "model.paca_active", False),
        ("train_tiny", "optimizer.final_rate", 0.1),
        ("train_tiny", "model.first_prediction", "degraded_photo"),
        ("train_tiny_vae", "sizes.middle_attention", True),
        ("train_tiny_vae", "sizes.upsampling", "pixel_shuffle"),
        ("train_tiny_vae", "encoder", "principal_components"),
        ("train_tiny_vae", "decoder", "linear"),
        ("train_tiny_vae", "predicted", {"model": "runs/pasd-tiny", "share": 0.75, "start_share": 0.5}),
    ],
)
def test_one_with_another_value_of_what_is_constant_now_is_refused(
    tmp_path: Path, name: str, path: str, value: Any
) -> None:
    storage = begun(tmp_path, name, **{path: value})
    with pytest.raises(TrainingError, match=rf"no setting any more: {path}; finish it with the version that began it"):
        claim_output(storage, load_training(BEGUN / f"{name}.yaml"))


@pytest.mark.parametrize(
    ("path", "value"), [("data.batches_per_task", 9), ("validation.degradation.jpeg_first_probability", 0.9)]
)
def test_what_may_change_may_have_been_anything(tmp_path: Path, path: str, value: Any) -> None:
    claim_output(begun(tmp_path, "train_tiny", **{path: value}), load_training(BEGUN / "train_tiny.yaml"))


def test_other_settings_of_an_earlier_version_are_named(tmp_path: Path) -> None:
    storage = begun(tmp_path, "train_tiny", seed=5, **{"data.samples.crop_size": 64})
    with pytest.raises(TrainingError, match=r"other settings: data\.samples\.crop_size, seed; choose another output"):
        claim_output(storage, load_training(BEGUN / "train_tiny.yaml"))
