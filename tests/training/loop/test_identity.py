"""Trainings begun by version 0.1.0, some settings of which are constants now."""

import json
from pathlib import Path
from typing import Any

import pytest

from pasd_batch.config.training import load_training
from pasd_batch.storage.storage import Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.identity import SETTINGS_FILE, claim_output

CONFIGS = Path(__file__).parents[3] / "configs"
BEGUN = Path(__file__).parent / "begun_by_0.1.0"


def begun(folder: Path, name: str, **changes: Any) -> Storage:
    """Output of a training that 0.1.0 began, with dotted settings changed."""
    kept = json.loads((BEGUN / f"{name}.json").read_text())
    for path, value in changes.items():
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
    claim_output(begun(tmp_path, name), load_training(CONFIGS / f"{name}.yaml"))


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("train_tiny", "data.samples.degradation.shares.0.degradation.jpeg_first_probability", 0.7),
        ("train_tiny", "data.samples.degradation.shares.1.degradation.second.blur.rotation", [0.0, 1.0]),
        ("train_tiny", "data.samples.degradation.shares.3.degradation.scratches.waver", [0.0, 9.0]),
        ("train_tiny", "model.paca_active", False),
        ("train_tiny", "optimizer.final_rate", 0.1),
        ("train_tiny_vae", "sizes.middle_attention", True),
    ],
)
def test_one_with_another_value_of_what_is_constant_now_is_refused(
    tmp_path: Path, name: str, path: str, value: Any
) -> None:
    storage = begun(tmp_path, name, **{path: value})
    with pytest.raises(TrainingError, match=rf"no setting any more: {path}; finish it with the version that began it"):
        claim_output(storage, load_training(CONFIGS / f"{name}.yaml"))


@pytest.mark.parametrize(
    ("path", "value"), [("data.batches_per_task", 9), ("validation.degradation.jpeg_first_probability", 0.9)]
)
def test_what_may_change_may_have_been_anything(tmp_path: Path, path: str, value: Any) -> None:
    claim_output(begun(tmp_path, "train_tiny", **{path: value}), load_training(CONFIGS / "train_tiny.yaml"))


def test_other_settings_of_an_earlier_version_are_named(tmp_path: Path) -> None:
    storage = begun(tmp_path, "train_tiny", seed=5, **{"data.samples.crop_size": 64})
    with pytest.raises(TrainingError, match=r"other settings: data\.samples\.crop_size, seed; choose another output"):
        claim_output(storage, load_training(CONFIGS / "train_tiny.yaml"))
