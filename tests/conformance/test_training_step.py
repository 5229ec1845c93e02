"""The recorded training step taken by the trainer's own parts: its networks, objective, clipping and optimizer."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from golden_data import Golden, assert_close, load, model_folder, names, relative_tolerance
from torch import Tensor

from pasd_batch.config.training import parse_training
from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.data.dataset import TrainingBatch
from pasd_batch.training.loop.stepping import Stepper, StepReport
from pasd_batch.training.objectives import objective
from pasd_batch.training.objectives.sample_draws import SampleDraws
from pasd_batch.training.worker_setup import build_task

NAMES = names("training_*")


class RecordedDraws(SampleDraws):
    """The recorded random numbers in the order in which the objective asks for them."""

    def __init__(self, golden: Golden) -> None:
        self._normal = [golden.tensors["posterior_noise"], golden.tensors["noise"]]
        self._timesteps = golden.tensors["timesteps"].long()

    def normal(self, shape: Sequence[int]) -> Tensor:
        assert self._normal[0].shape[1:] == tuple(shape)
        return self._normal.pop(0)

    def integers(self, count: int) -> Tensor:
        assert bool((self._timesteps < count).all())
        return self._timesteps


def take_step(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **losses: float
) -> tuple[Stepper, StepReport]:
    golden = load(name)
    control, base = (model_folder(model) for model in golden.description["models"])
    recorded = golden.description["optimizer"]
    settings = parse_training(
        {
            "output": str(tmp_path),
            "data": {"sources": [{"kind": "photos", "path": "none"}]},
            "steps": 1,
            "batch_size": 2,
            "model": {"start": "pasd", "base": str(base), "control": str(control)},
            "trainable": ["control_branch", "degradation_removal", "paca"],
            "losses": losses,
            "optimizer": {
                "learning_rate": recorded["lr"],
                "betas": recorded["betas"],
                "weight_decay": recorded["weight_decay"],
                "epsilon": recorded["eps"],
                "clip_norm": recorded["max_grad_norm"],
            },
            "workers": {"ray": False},
        }
    )
    task = build_task(settings)
    draws = RecordedDraws(golden)
    monkeypatch.setattr(objective, "SampleDraws", lambda *_: draws)
    stepper = Stepper(task.objective, settings, torch.device("cpu"), workers=1)
    return stepper, stepper.step(0, [recorded_batch(golden)])


def recorded_batch(golden: Golden) -> NumberedBatch:
    clean, degraded = (golden.tensors[name].float() / 255.0 for name in ("hr_u8", "lr_u8"))
    captions = tuple(golden.description["prompts"])
    return NumberedBatch(TrainingBatch(("0", "1"), captions, 2.0 * clean - 1.0, degraded), (0, 1))


@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradient_norm(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    golden = load(name)
    _, report = take_step(name, monkeypatch, tmp_path)
    tolerance, scalars = golden.description["tolerances"], golden.description["scalars"]
    expected = {
        "denoising": golden.tensors["mse"],
        "degradation_removal": golden.tensors["l1"].sum(),
        "loss": golden.tensors["loss"],
    }
    assert report.losses.keys() == expected.keys()
    for loss, value in expected.items():
        relative = relative_tolerance(tolerance["losses"])
        assert_close(report.losses[loss], value, relative=relative, what=f"{name}: {loss}")
    relative = relative_tolerance(tolerance["total_gradient_norm"])
    assert float(report.gradient_norm) == pytest.approx(scalars["total_gradient_norm"], rel=relative)


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradient_norm_with_colorfulness(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    golden = load(name)
    _, report = take_step(name, monkeypatch, tmp_path, colorfulness=0.001)
    scalars, tolerance = golden.description["scalars"], golden.description["tolerances"]
    assert float(report.losses["loss"]) == pytest.approx(
        scalars["loss_grayscale"], rel=relative_tolerance(tolerance["losses"])
    )
    assert float(report.gradient_norm) == pytest.approx(
        scalars["total_gradient_norm_grayscale"], rel=relative_tolerance(tolerance["total_gradient_norm"])
    )


@pytest.mark.parametrize("name", NAMES)
def test_weights_after_the_step(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AdamW's first step is the sign of the gradient, so a share of rounding noise may go either way, by one step."""
    golden = load(name)
    stepper, report = take_step(name, monkeypatch, tmp_path)
    weights = {key.replace("control_branch.", "controlnet.", 1): value for key, value in stepper.parameters.items()}
    assert weights.keys() == golden.description["gradient_norms"].keys()
    recorded = {
        key.removeprefix("after_step."): t for key, t in golden.tensors.items() if key.startswith("after_step.")
    }
    assert report.updated
    assert recorded
    for key, expected in recorded.items():
        error = (weights[key].detach().double() - expected.double()).abs()
        assert float(error.max()) <= 1e-4, key
        assert float((error > 2e-6).double().mean()) < 0.01, key
