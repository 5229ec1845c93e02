"""One recorded training step: latents, prediction, losses, gradients, clipping and the AdamW update."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import golden_data
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler
from golden_data import Golden, assert_close, model_folder, relative_tolerance
from torch import Tensor
from transformers import CLIPTextModel

from pasd_batch.config.losses import LossSettings, PredictionType
from pasd_batch.pasd.checkpoint import is_paca, load_control_branch, load_unet
from pasd_batch.training.objectives.diffusion import diffuse, prediction_target
from pasd_batch.training.objectives.losses import Denoised, PasdLoss, pasd_loss

NAMES = golden_data.names("training_*")


@dataclass
class RecordedStep:
    """A recorded step and our run of it up to the networks' outputs, with gradients still to be computed."""

    golden: Golden
    parameters: dict[str, torch.nn.Parameter]
    frozen: list[str]
    computed: dict[str, Tensor]
    rgbs: tuple[Tensor, ...]
    target: Tensor
    clean: Tensor

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self.golden.tensors

    @property
    def description(self) -> dict[str, Any]:
        return self.golden.description

    def loss(self, settings: LossSettings) -> PasdLoss:
        return pasd_loss(Denoised(self.computed["pred"], self.target), self.rgbs, self.clean, settings)

    def gradients(self, settings: LossSettings) -> dict[str, Tensor]:
        total = self.loss(settings).total
        gradients = torch.autograd.grad(total, list(self.parameters.values()), retain_graph=True)
        return dict(zip(self.parameters, gradients, strict=True))

    def tolerance(self, kind: str) -> float:
        return relative_tolerance(self.description["tolerances"][kind])


@cache
def run(name: str) -> RecordedStep:
    golden = golden_data.load(name)
    control, base = (model_folder(model) for model in golden.description["models"])
    parts = (control / "unet", control / "controlnet", base / "vae", base / "text_encoder")
    if missing := [str(part.relative_to(golden_data.FOLDER)) for part in parts if not part.is_dir()]:
        pytest.skip(f"{name} needs checkpoints that this folder lacks: {', '.join(missing)}")
    return run_networks(golden, control, base)


def run_networks(golden: Golden, control: Path, base: Path) -> RecordedStep:
    tensors = golden.tensors
    unet = load_unet(control / "unet").float()
    branch = load_control_branch(control / "controlnet").float()
    trainable = {f"unet.{name}": p for name, p in unet.named_parameters() if is_paca(name)}
    unet.requires_grad_(False)
    parameters = {f"controlnet.{name}": p for name, p in branch.named_parameters()} | trainable
    for parameter in parameters.values():
        parameter.requires_grad_(True)

    clean = 2.0 * tensors["hr_u8"].float() / 255.0 - 1.0
    latents, alphas = encode(base, clean, tensors["posterior_noise"]), alphas_cumprod(base)
    timesteps, noise = tensors["timesteps"].long(), tensors["noise"]
    noisy = diffuse(latents, noise, timesteps, alphas)
    text_states = encode_text(base, tensors["input_ids"])
    seen = branch.controlnet_cond_embedding(tensors["lr_u8"].float() / 255.0)
    residuals = branch(noisy, timesteps, text_states, seen.embedding)
    prediction = unet(noisy, timesteps, text_states, residuals)
    rgbs = {f"rgb_{index}": rgb for index, rgb in enumerate(seen.rgbs)}
    return RecordedStep(
        golden=golden,
        parameters=parameters,
        frozen=[name for name, parameter in unet.named_parameters() if not parameter.requires_grad],
        computed={"latents": latents, "noisy": noisy, "pred": prediction, **rgbs},
        rgbs=seen.rgbs,
        target=prediction_target(latents, noise, timesteps, alphas, PredictionType.EPSILON),
        clean=clean,
    )


@torch.no_grad()
def encode(base: Path, clean: Tensor, posterior_noise: Tensor) -> Tensor:
    vae: Any = AutoencoderKL.from_pretrained(base / "vae", torch_dtype=torch.float32)
    posterior = vae.encode(clean).latent_dist
    return vae.config.scaling_factor * (posterior.mean + posterior.std * posterior_noise)


@torch.no_grad()
def encode_text(base: Path, input_ids: Tensor) -> Tensor:
    encoder = CLIPTextModel.from_pretrained(base / "text_encoder", dtype=torch.float32)
    return encoder(input_ids.long()).last_hidden_state


def alphas_cumprod(base: Path) -> Tensor:
    scheduler: Any = DDPMScheduler.from_pretrained(base / "scheduler")
    return scheduler.alphas_cumprod


def global_norm(gradients: dict[str, Tensor]) -> float:
    return float(torch.stack([gradient.double().norm() for gradient in gradients.values()]).norm())


@pytest.mark.parametrize("name", NAMES)
def test_latents_prediction_and_rgbs(name: str) -> None:
    step = run(name)
    for tensor, actual in step.computed.items():
        step.golden.check(actual.detach(), tensor)


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_the_recorded_outputs(name: str) -> None:
    """The losses alone, from recorded tensors: no checkpoint is needed."""
    golden = golden_data.load(name)
    description, tensors = golden.description, golden.tensors
    rgbs = [tensors[f"rgb_{index}"] for index in range(len(description["scalars"]["l1"]))]
    clean = 2.0 * tensors["hr_u8"].float() / 255.0 - 1.0
    loss = pasd_loss(Denoised(tensors["pred"], tensors["noise"]), rgbs, clean, LossSettings(colorfulness=0.001))
    check_losses(loss, tensors, description)


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_our_networks(name: str) -> None:
    step = run(name)
    check_losses(step.loss(LossSettings(colorfulness=0.001)), step.tensors, step.description)
    plain = step.loss(LossSettings()).total
    assert_close(plain.detach(), step.tensors["loss"], relative=step.tolerance("losses"), what=f"{name}: loss")


def check_losses(loss: PasdLoss, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    tolerance = relative_tolerance(description["tolerances"]["losses"])
    assert loss.denoising is not None
    assert_close(loss.denoising.detach(), tensors["mse"], relative=tolerance, what="mse")
    assert_close(torch.stack(loss.degradation_removal).detach(), tensors["l1"], relative=tolerance, what="l1")
    assert_close(torch.stack(loss.colorfulness).detach(), tensors["colorful"], relative=tolerance, what="colorful")
    expected = torch.tensor(description["scalars"]["loss_grayscale"], dtype=torch.float64)
    assert_close(loss.total.detach(), expected, relative=tolerance, what="loss_grayscale")


@pytest.mark.parametrize("name", NAMES)
def test_the_right_parameters_are_trained(name: str) -> None:
    step = run(name)
    assert set(step.parameters) == set(step.description["gradient_norms"])
    trained = [parameter for parameter in step.parameters if parameter.startswith("unet.")]
    assert len(trained) == step.description["num_trainable_unet_tensors"]
    assert len(step.frozen) == step.description["num_frozen_unet_tensors"]


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str) -> None:
    step = run(name)
    gradients = step.gradients(LossSettings())
    tolerance = step.description["recommended_tolerance"]["rel"]
    recorded = [tensor.removeprefix("grad.") for tensor in step.tensors if tensor.startswith("grad.")]
    assert recorded
    for parameter in recorded:
        expected = step.tensors[f"grad.{parameter}"]
        assert_close(gradients[parameter], expected, relative=tolerance, what=f"{name}: gradient of {parameter}")
    tolerance = step.tolerance("gradient norms")
    for parameter, norm in step.description["gradient_norms"].items():
        expected = torch.tensor(norm, dtype=torch.float64)
        actual = gradients[parameter].double().norm()
        assert_close(actual, expected, relative=tolerance, what=f"{name}: norm of the gradient of {parameter}")


@pytest.mark.parametrize("name", NAMES)
def test_clipping(name: str) -> None:
    step = run(name)
    scalars, tolerance = step.description["scalars"], step.tolerance("total_gradient_norm")
    gradients = step.gradients(LossSettings())
    assert global_norm(gradients) == pytest.approx(scalars["total_gradient_norm"], rel=tolerance)
    with_color = global_norm(step.gradients(LossSettings(colorfulness=0.001)))
    assert with_color == pytest.approx(scalars["total_gradient_norm_grayscale"], rel=tolerance)
    example = scalars["clip_example"]
    copies = copies_with(step, gradients)
    torch.nn.utils.clip_grad_norm_(list(copies.values()), example["max_norm"])
    for parameter, gradient in gradients.items():
        clipped = copies[parameter].grad
        assert clipped is not None
        expected = gradient * example["factor_on_every_gradient"]
        assert_close(clipped, expected, relative=tolerance, what=f"{name}: clipped gradient of {parameter}")


def copies_with(step: RecordedStep, gradients: dict[str, Tensor]) -> dict[str, torch.nn.Parameter]:
    """Parameters of their own with these gradients: the cached networks serve the other tests too."""
    copies = {name: torch.nn.Parameter(parameter.detach().clone()) for name, parameter in step.parameters.items()}
    for name, copy in copies.items():
        copy.grad = gradients[name].clone()
    return copies


@pytest.mark.parametrize("name", NAMES)
def test_parameters_after_one_step(name: str) -> None:
    step = run(name)
    gradients = step.gradients(LossSettings())
    copies = copies_with(step, gradients)
    recorded = step.description["optimizer"]
    optimizer = torch.optim.AdamW(
        copies.values(),
        lr=recorded["lr"],
        betas=tuple(recorded["betas"]),
        weight_decay=recorded["weight_decay"],
        eps=recorded["eps"],
    )
    torch.nn.utils.clip_grad_norm_(list(copies.values()), recorded["max_grad_norm"])
    optimizer.step()
    after = {name: copy.detach() for name, copy in copies.items()}
    check_update(step, gradients, after)


def check_update(step: RecordedStep, gradients: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    """AdamW's first step is the sign of the gradient, so where that is rounding noise the step may go either way."""
    text = step.description["tolerances"]["after_step"]
    numbers = [float(number) for number in re.findall(r"\d[\d.e-]*", text)]
    tight, threshold, loose = numbers
    recorded = [tensor.removeprefix("after_step.") for tensor in step.tensors if tensor.startswith("after_step.")]
    assert recorded
    for parameter in recorded:
        error = (after[parameter].double() - step.tensors[f"after_step.{parameter}"].double()).abs()
        gradient = gradients[parameter].abs()
        allowed = torch.where(gradient > threshold * gradient.max(), tight, loose).double()
        message = (
            f"{step.golden.name}: {parameter} after the step: "
            f"largest error {error.max():.3g}, mean {error.mean():.3g}, "
            f"{int((error > allowed).sum())} of {error.numel()} beyond {tight:.3g} (or {loose:.3g})"
        )
        assert bool((error <= allowed).all()), message
