"""Training steps on an NVIDIA GPU, in all precisions. Skipped where there is none."""

import copy

import pytest
import torch
from tiny_training import scratch, settings

from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.worker_setup import build_task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

STEPS = 60


def build(work, device, **more):
    branch = {"conditioning_embedding_out_channels": [16, 32, 32, 64]}
    model = scratch(work / "base", branch=branch)
    chosen = settings(work, steps=STEPS, model=model, optimizer={"learning_rate": 3e-3, "clip_norm": None}, **more)
    task = build_task(chosen)
    task.objective.to(device)
    maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=chosen.seed)
    return Stepper(task.objective, chosen, torch.device(device), workers=1), maker.make(range(2))


def test_a_float32_step_is_the_cpus(work):
    (ours, batch), (expected, _) = (build(work, device) for device in ("cuda", "cpu"))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        reports = [stepper.step(0, [batch]) for stepper in (ours, expected)]
    losses = [float(report.losses["loss"]) for report in reports]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert float(reports[0].gradient_norm) == pytest.approx(float(reports[1].gradient_norm), rel=1e-3)
    # After one step AdamW's first average is a tenth of the gradient.
    gradients, on_cpu = (stepper.state().moments["exp_avg"] for stepper in (ours, expected))
    largest = max(float(gradient.abs().max()) for gradient in on_cpu.values())
    for name in on_cpu:
        assert torch.allclose(gradients[name].cpu(), on_cpu[name], rtol=1e-3, atol=1e-5 * largest), name


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_it_learns(work, precision):
    stepper, batch = build(work, "cuda", precision=precision)
    reports = [stepper.step(step, [batch]) for step in range(STEPS)]
    losses = [float(report.losses["loss"]) for report in reports if report.updated]
    assert len(losses) > STEPS - 10, "steps left out"
    assert min(losses[-10:]) < losses[0] / 3
    assert all(parameter.dtype == torch.float32 for parameter in stepper.parameters.values())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_restored_stepper_goes_on_where_it_was(work, precision):
    stepper, batch = build(work, "cuda", precision=precision)
    for step in range(2):
        stepper.step(step, [batch])
    kept = copy.deepcopy(stepper.state())
    other, _ = build(work, "cuda", precision=precision)
    other.restore(kept)
    losses = [float(each.step(2, [batch]).losses["loss"]) for each in (stepper, other)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_recorded_steps_are_the_eager_ones(work, precision):
    """The same kernels, but for sums whose order a GPU does not fix."""
    (ours, batch), (expected, _) = (
        build(work, "cuda", precision=precision, cuda_graph=graph, trainable=["paca", "unet"])
        for graph in (True, False)
    )
    for step in range(10):
        reports = [stepper.step(step, [batch]) for stepper in (ours, expected)]
        assert float(reports[0].losses["loss"]) == pytest.approx(float(reports[1].losses["loss"]), rel=2e-2), step
    assert ours._graph is not None
    assert len(ours._graph._graphs) == 1
