import copy
import math

import pytest
import torch
from tiny_training import largest_difference, scratch, settings, stepper_and_maker, weights

from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.worker_setup import build_task

CPU = torch.device("cpu")


def test_a_tiny_model_learns_one_batch_by_heart(work, one_thread):
    """The loss falls to a tenth: the denoiser's part to nothing, the to-RGB heads' as far as blurs allow."""
    branch = {"conditioning_embedding_out_channels": [16, 32, 32, 64]}
    model, optimizer = scratch(work / "base", branch=branch), {"learning_rate": 5e-3}
    stepper, maker = stepper_and_maker(work, steps=150, model=model, optimizer=optimizer)
    batch = maker.make(range(2))
    losses = [float(stepper.step(step, [batch]).losses["loss"]) for step in range(150)]
    assert min(losses[-20:]) < losses[0] / 10, f"from {losses[0]:.3f} to {losses[-1]:.3f}"


def test_accumulated_gradients_are_those_of_the_joint_batch(work, one_thread):
    plain = {"learning_rate": 1e-3, "clip_norm": None}
    joint, maker = stepper_and_maker(work, batch_size=4, optimizer=plain)
    apart, _ = stepper_and_maker(work, batch_size=1, accumulation=4, optimizer=plain)
    one = joint.step(0, [maker.make(range(4))])
    many = apart.step(0, [maker.make([number]) for number in range(4)])
    assert float(many.losses["loss"]) == pytest.approx(float(one.losses["loss"]), rel=1e-5)
    # After one step AdamW's first average is a tenth of the gradient.
    first, second = (each.state().moments["exp_avg"] for each in (joint, apart))
    for name in first:
        assert torch.allclose(first[name], second[name], rtol=1e-4, atol=1e-7), name


def test_a_restored_stepper_takes_the_same_steps(work, one_thread):
    stepper, maker = stepper_and_maker(work)
    batches = [maker.make(range(2 * step, 2 * step + 2)) for step in range(4)]
    for step in range(2):
        stepper.step(step, [batches[step]])
    kept = copy.deepcopy(stepper.state())
    other, _ = stepper_and_maker(work)
    other.step(0, [batches[3]])
    other.restore(kept)
    for step in range(2, 4):
        reports = [each.step(step, [batches[step]]) for each in (stepper, other)]
        assert float(reports[0].losses["loss"]) == float(reports[1].losses["loss"])
    assert largest_difference(weights(stepper), weights(other)) == 0.0
    assert largest_difference(stepper.state().averages, other.state().averages) == 0.0


def test_gradients_are_clipped_to_the_norm(work):
    stepper, maker = stepper_and_maker(work, optimizer={"learning_rate": 1e-3, "clip_norm": 1e-3})
    report = stepper.step(0, [maker.make(range(2))])
    clipped = [moment / 0.1 for moment in stepper.state().moments["exp_avg"].values()]
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in clipped))
    assert float(report.gradient_norm) > 0.1
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_a_step_with_infinite_gradients_changes_nothing(work):
    stepper, maker = stepper_and_maker(work)
    batch = maker.make(range(2))
    before = weights(stepper)
    batch.batch.clean[0, 0, 0, 0] = math.inf
    report = stepper.step(0, [batch])
    assert not report.updated
    assert largest_difference(before, weights(stepper)) == 0.0

    def go_on():
        for step in range(60):
            stepper.step(step, [batch])

    with pytest.raises(TrainingError, match="learning_rate"):
        go_on()


def test_averages_follow_the_weights_and_stand_in_for_them(work):
    stepper, maker = stepper_and_maker(work, ema_decay=0.5)
    start = weights(stepper)
    stepper.step(0, [maker.make(range(2))])
    present = weights(stepper)
    # The first decay is (1 + 0) / (10 + 0).
    expected = {name: start[name] + 0.9 * (present[name] - start[name]) for name in start}
    with stepper.averaged():
        assert largest_difference(expected, weights(stepper)) < 1e-6
    assert largest_difference(present, weights(stepper)) == 0.0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_steps_come_close_to_float32(work, precision):
    reports = []
    for chosen in ("float32", precision):
        stepper, maker = stepper_and_maker(work, precision=chosen)
        seen = []
        with stepper.objective.unet.conv_in.register_forward_hook(lambda *call, seen=seen: seen.append(call[2].dtype)):
            reports.append(stepper.step(0, [maker.make(range(2))]))
        assert seen == [getattr(torch, chosen)]
    assert reports[1].updated
    assert float(reports[1].losses["loss"]) == pytest.approx(float(reports[0].losses["loss"]), rel=0.02)
    assert float(reports[1].gradient_norm) == pytest.approx(float(reports[0].gradient_norm), rel=0.1)


def test_without_the_denoisers_loss_only_degradation_removal_is_computed_and_learns(work):
    task = build_task(settings(work, losses={"denoising": 0.0}))
    maker = stepper_and_maker(work)[1]
    with task.objective.unet.register_forward_hook(lambda *_: pytest.fail("the UNet was computed")):
        losses = task.objective(maker.make(range(2)))
    losses["loss"].backward()
    learning = {name: p.grad is not None for name, p in task.objective.named_parameters() if p.requires_grad}
    assert learning
    assert all(name.startswith("control_branch.controlnet_cond_embedding.") for name in learning)
    assert all(learning.values())


def test_gradient_checkpointing_gives_the_same_gradients(work, one_thread):
    moments = []
    for checkpointing in (False, True):
        chosen = settings(work, gradient_checkpointing=checkpointing, optimizer={"clip_norm": None})
        task = build_task(chosen)
        task.prepare()
        passes = []
        resnet = task.objective.unet.down_blocks[0].resnets[0]
        resnet.register_forward_pre_hook(lambda *_, passes=passes: passes.append(1))
        maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=0)
        stepper = Stepper(task.objective, chosen, CPU, workers=1)
        stepper.step(0, [maker.make(range(2))])
        moments.append(stepper.state().moments["exp_avg"])
        assert len(passes) == (2 if checkpointing else 1)
    for name in moments[0]:
        assert torch.allclose(moments[0][name], moments[1][name], rtol=1e-5, atol=1e-8), name


def test_samples_seen_as_sampling_starts_are_at_the_last_timestep_and_from_the_degraded_photo(work, one_thread):
    """Where the network says nothing, the error is that of the velocity it should say."""
    losses = {"prediction_type": "v_prediction", "gamma": 0.0, "start_share": 1.0}
    task = build_task(settings(work, losses=losses))
    chosen = settings(work)
    maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=chosen.seed)
    made = maker.make(range(2))
    seen = {}
    task.objective.unet.register_forward_hook(lambda _module, inputs, _output: seen.update(timesteps=inputs[1]))
    torch.nn.init.zeros_(task.objective.unet.conv_out.weight)
    torch.nn.init.zeros_(task.objective.unet.conv_out.bias)
    found = float(task.objective(made)["loss"].detach())
    assert (seen["timesteps"] == len(task.objective.alphas_cumprod) - 1).all()
    # v = sqrt(abar) noise + (abar own - z) / sqrt(1 - abar), with unit noise and the noise of the latents themselves.
    alpha, vae = float(task.objective.alphas_cumprod[-1]), task.objective.vae
    with torch.no_grad():
        z, own = (vae.encode(photo).latent_dist for photo in (made.batch.clean, 2.0 * made.batch.degraded - 1.0))
    error = (alpha * own.mean - z.mean).square() + alpha**2 * own.var + z.var
    expected = alpha + vae.config["scaling_factor"] ** 2 * float(error.mean()) / (1.0 - alpha)
    assert found == pytest.approx(expected, rel=0.2)
    assert float(build_task(chosen).objective(made)["loss"].detach()) != pytest.approx(found, rel=0.2)
