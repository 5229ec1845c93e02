"""The losses on restored pictures: targets, balance, a discriminator that learns, and whole trainings with them."""

import json
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import EVERYTHING, scratch, settings
from torch import nn
from torch.nn import functional

from pasd_batch.config.base import ConfigError
from pasd_batch.config.picture_losses import PictureLossSettings
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.loop.acceleration import accelerate
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.networks.discriminator import PatchDiscriminator
from pasd_batch.training.networks.teacher import RrdbNet, load_teacher, run_teacher
from pasd_batch.training.objectives import picture_loss
from pasd_batch.training.objectives.adversarial import hinge_loss
from pasd_batch.training.objectives.gradient_balance import balanced_gradient
from pasd_batch.training.objectives.picture_loss import PictureLoss, PicturePair, build_picture_loss, teacher_weight
from pasd_batch.training.objectives.sample_draws import SampleDraws
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task

CPU = torch.device("cpu")
STEPS_TO_SEE = 40
ADVERSARIAL = {"weight": 0.5, "width": 8}
ALL_PARTS = [*EVERYTHING, "decoder"]


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Sums must round alike."""


@pytest.fixture
def teacher(tmp_path):
    """A file with a small RRDBNet of random weights."""
    torch.manual_seed(5)
    save_file(RrdbNet(features=8, blocks=2, growth=4).half().state_dict(), tmp_path / "teacher.safetensors")
    return tmp_path / "teacher.safetensors"


def draws(count):
    return SampleDraws(3, torch.arange(count))


def loss_of(pictures, pair, alpha_a, **more):
    chosen = PictureLossSettings.model_validate(more)
    return build_picture_loss(chosen, seed=1)(pictures, pair, alpha_a, draws(len(pictures)))


def pair_of(photos, side=32):
    clean = photos[..., :side, :side]
    degraded = functional.avg_pool2d(clean, 4).repeat_interleave(4, -1).repeat_interleave(4, -2)
    return PicturePair(2.0 * clean - 1.0, degraded)


def test_the_target_goes_from_the_teachers_picture_to_the_clean_one(photos, teacher):
    pair = PicturePair(pair_of(photos).clean, 0.5 - 0.5 * pair_of(photos).clean.sign())
    own = run_teacher(load_teacher(teacher, setting="losses.picture.teacher"), pair.degraded)
    assert teacher_weight(own, 2.0 * pair.degraded - 1.0, pair.clean).eq(1.0).all(), "negatives are further from photos"
    levels = torch.tensor([0.0, 0.25, 1.0])
    expected = torch.stack([own[0], 0.75 * own[1] + 0.25 * pair.clean[1], pair.clean[2]])
    assert float(loss_of(expected, pair, levels, teacher=teacher)["picture"]) < 1e-6
    from_clean = [
        float(loss_of(pair.clean, pair, torch.full((3,), level), teacher=teacher)["picture"])
        for level in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert all(further > nearer for further, nearer in pairwise(from_clean)), "the dial is monotone"
    assert from_clean[-1] < 1e-6
    assert float(loss_of(pair.clean, pair, torch.zeros(3))["picture"]) == 0.0, "without a teacher the target is clean"


@pytest.mark.parametrize(
    ("error", "share"), [(0.0, 1.0), (0.2, 1.0), (0.22, 1.0), (0.235, 0.5), (0.25, 0.0), (0.5, 0.0)]
)
def test_a_teacher_that_takes_away_what_is_there_is_not_followed(photos, error, share):
    clean = pair_of(photos).clean
    shares = teacher_weight(clean + error, clean - 0.2, clean)
    assert shares.tolist() == pytest.approx([share] * len(clean), abs=1e-4)


def test_a_perfect_photo_has_no_teacher(photos):
    clean = pair_of(photos).clean
    assert teacher_weight(clean + 0.01, clean, clean).eq(0.0).all()


def test_terms_have_the_gradients_that_the_settings_say(photos):
    """Of one term at a time, what it adds to the error's gradient has that multiple of its norm."""
    pictures = photos.clone().requires_grad_()

    def error():
        return (pictures - 0.3).abs().mean()

    plain = balanced_gradient(error(), [], pictures, torch.ones(3))
    for multiple, size in ((0.5, 1e-6), (2.0, 1e4)):
        term = size * pictures.square().mean()
        added = balanced_gradient(error(), [(multiple, term)], pictures, torch.ones(3)) - plain
        assert float(added.norm() / plain.norm()) == pytest.approx(multiple, rel=1e-4)
        assert float(functional.cosine_similarity(added.flatten(), photos.flatten(), dim=0)) > 0.999
    shares = torch.tensor([0.0, 0.5, 1.0])
    whole, shared = (
        balanced_gradient(error(), [(1.0, pictures.square().mean())], pictures, each) - plain
        for each in (torch.ones(3), shares)
    )
    assert torch.allclose(shared, shares.view(-1, 1, 1, 1) * whole, atol=1e-9)


def test_the_loss_hands_the_balanced_gradient_on_and_only_where_alpha_a_lets_it(photos):
    pair = pair_of(photos)
    pictures = (pair.clean + 0.1 * torch.randn(pair.clean.shape)).requires_grad_()
    levels = torch.tensor([1.0, 0.5, 0.0])
    losses = {}
    for name, more in (("plain", {}), ("adversarial", {"adversarial": ADVERSARIAL})):
        loss = loss_of(pictures, pair, levels, weight=2.0, **more)
        (losses[name],) = torch.autograd.grad(loss["loss"], pictures)
    error = 2.0 * (pictures - pair.clean).abs().mean()
    assert torch.allclose(losses["plain"], torch.autograd.grad(error, pictures)[0], atol=1e-9)
    added = (losses["adversarial"] - losses["plain"]).flatten(1).norm(dim=1)
    assert added[0] == 0.0
    assert 0.0 < added[1] < added[2]


def test_a_discriminator_sees_what_is_fine_at_once(photos):
    """Dots of a hundredth of the range, in 40 steps, which the picture alone does not show it (0.004 apart)."""
    torch.manual_seed(0)
    clean = 2.0 * photos[..., :64, :64] - 1.0
    dots = torch.zeros(64, 64)
    dots[::8, ::8] = 0.02
    discriminator = PatchDiscriminator(8)
    optimizer = torch.optim.AdamW(discriminator.parameters(), lr=3e-3)
    for _ in range(STEPS_TO_SEE):
        real, fake = discriminator(clean), discriminator(clean + dots)
        optimizer.zero_grad()
        hinge_loss(real, fake, torch.ones(3)).backward()
        optimizer.step()
    apart = float((real - fake).detach().mean())
    assert apart > 0.5, f"{apart:.3f}"


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_discriminator_learns_to_tell_photos_from_pictures_with_a_grid(photos, precision):
    """Faint stair steps of period 8, as decoders leave them: verdicts part, in low precision too."""
    torch.manual_seed(0)
    clean = 2.0 * photos[..., :64, :64] - 1.0
    grid = 0.15 * torch.ones(64, 64).cumsum(-1).remainder(8).sub(3.5).div(3.5)
    discriminator = PatchDiscriminator(8)
    optimizer = torch.optim.AdamW(discriminator.parameters(), lr=1e-3)
    for _ in range(80):
        with torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32):
            real, fake = discriminator(clean), discriminator(clean + grid)
        loss = hinge_loss(real, fake, torch.ones(3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert real.dtype == torch.float32
    assert float(real.mean()) - float(fake.mean()) > 1.0, f"{float(real.mean()):.3f} and {float(fake.mean()):.3f}"


def test_teachers_that_are_none_are_refused_with_the_remedy(tmp_path, teacher):
    weights = load_file(teacher)
    for name, content in {
        "other": {"weight": torch.zeros(2)},
        "cut": {key: tensor for key, tensor in weights.items() if key != "conv_hr.bias"},
    }.items():
        save_file(content, tmp_path / name)
    (tmp_path / "text").write_text("no weights")
    for name, message in (
        ("nowhere", "convert_real_esrgan.py"),
        ("text", "convert_real_esrgan.py"),
        ("other", "not the weights of an RRDBNet"),
        ("cut", r"conv_hr\.bias"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_teacher(tmp_path / name, setting="losses.picture.teacher")


def test_a_teacher_enlarges_a_quarter_of_each_side(teacher):
    seen = []
    network = load_teacher(teacher, setting="losses.picture.teacher")
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    assert run_teacher(network, torch.rand(2, 3, 32, 40)).shape == (2, 3, 32, 40)
    assert seen == [(2, 3, 8, 10)]


class Mean(nn.Module):
    """Stands in for a perceptual network, which is not installed everywhere."""

    def forward(self, first, second):
        return (first - second).square().mean(dim=(1, 2, 3), keepdim=True)


def training(work, teacher=None, **more):
    picture = {"teacher": teacher and str(teacher), "adversarial": ADVERSARIAL, "steps": 2}
    losses = {"prediction_type": "v_prediction", "denoising": 0.0, "picture": picture}
    return settings(work, **{"losses": losses, "trainable": ALL_PARTS, **more})


def test_every_part_learns_end_to_end_and_all_judges_are_called(work, teacher, monkeypatch):
    monkeypatch.setattr(picture_loss, "load_perceptual_distance", lambda *_, **__: Mean())
    picture = {"teacher": str(teacher), "adversarial": ADVERSARIAL, "perceptual": 0.5}
    chosen = training(work, losses={"gamma": 1.0, "picture": picture, "prediction_type": "v_prediction"}, compile=True)
    task = build_task(chosen)
    compiled, called = [], []
    monkeypatch.setattr(nn.Module, "compile", lambda network: compiled.append(network))
    accelerate(task.networks_in_use, chosen)
    for network in compiled:
        network.register_forward_hook(lambda module, *_: called.append(module))
    losses = task.objective(batches(chosen).make(range(3)))
    losses["loss"].backward()
    # The VAE's decoder is called through its wrapper; the encoder, too.
    assert set(compiled) == set(called)
    assert len(compiled) == 8
    unmoved = [name for name, p in task.objective.named_parameters() if p.requires_grad and p.grad is None]
    assert unmoved == []
    moved = {name.split(".")[0] for name, p in task.objective.named_parameters() if p.grad is not None}
    assert moved == {"unet", "control_branch", "vae", "text_encoder", "picture"}
    assert all(p.grad is None for p in task.objective.vae.encoder.parameters())
    assert losses.keys() >= {"picture", "perceptual", "adversarial", "discriminator", "denoising"}


def batches(chosen):
    return BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=chosen.seed)


def test_restored_pictures_learn_their_target_by_heart(work, teacher):
    model = scratch(work / "base", branch={"conditioning_embedding_out_channels": [16, 32, 32, 64]})
    picture = {"teacher": str(teacher), "pure_noise_share": 1.0}
    losses = {"prediction_type": "v_prediction", "denoising": 0.0, "gamma": 0.0, "picture": picture}
    chosen = training(work, losses=losses, model=model, optimizer={"learning_rate": 5e-3}, ema_decay=None)
    task = build_task(chosen)
    stepper = Stepper(task.objective, chosen, CPU, workers=1)
    batch = batches(chosen).make(range(2))
    errors = [float(stepper.step(step, [batch]).losses["picture"]) for step in range(60)]
    assert min(errors[-10:]) < errors[0] / 2.5, f"from {errors[0]:.3f} to {errors[-1]:.3f}"


def test_an_adversarial_training_resumes_exactly_and_its_model_restores_from_the_last_timestep(work, teacher):
    train(training(work, teacher, steps=4, output=str(work / "through")))
    for steps in (1, 4):
        train(training(work, teacher, steps=steps))
    lines, whole = (read_log(Storage.open(str(work / name))) for name in ("output", "through"))
    for line, other in zip(lines, whole, strict=True):
        assert {**line, "samples_per_second": 0} == {**other, "samples_per_second": 0}
    assert {"verdict_real", "verdict_restored", "discriminator"} <= lines[0].keys()
    state = "checkpoints/step-00000004/training/weights.safetensors"
    resumed, through = (load_file(work / name / state) for name in ("output", "through"))
    assert all(torch.equal(resumed[name], through[name]) for name in through)
    assert any(name.startswith("picture.discriminator.") for name in through)
    assert not any(name.startswith("picture.teacher.") for name in through)
    decoder = load_file(work / "output" / "vae" / "diffusion_pytorch_model.safetensors")
    start = load_file(work / "base" / "vae" / "diffusion_pytorch_model.safetensors")
    changed = {name.split(".")[0] for name in start if not torch.equal(decoder[name].float(), start[name].float())}
    assert changed == {"decoder", "post_quant_conv"}
    scheduler = json.loads((work / "output" / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["timestep_spacing"] == "trailing"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"losses": {}}, r"trainable has decoder, which no loss looks at; set losses\.picture"),
        ({"precision": "float16"}, r"overflows in float16; set precision: bfloat16"),
        (
            {"model": {"start": "pasd", "base": "a", "control": "b"}, "trainable": ["decoder"]},
            r"model\.carries_base: true",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(work, more, message):
    with pytest.raises(ConfigError, match=message):
        training(work, **more)


def test_a_picture_loss_without_judges_is_the_error_alone(photos):
    pair = pair_of(photos)
    plain = PictureLoss(PictureLossSettings(), teacher=None, perceptual=None, discriminator=None)
    found = plain(pair.clean + 0.25, pair, torch.zeros(3), draws(3))
    assert found.keys() == {"loss", "picture"}
    assert float(found["loss"]) == pytest.approx(0.25, rel=1e-5)


def test_the_perceptual_distance_is_to_the_target_that_alpha_a_decides_on():
    light = RrdbNet(features=8, blocks=1, growth=4).requires_grad_(False)
    light.conv_last.weight.zero_()
    light.conv_last.bias.fill_(0.8)
    clean, degraded = torch.full((2, 3, 32, 32), 0.5), torch.full((2, 3, 32, 32), 0.9)
    loss = PictureLoss(PictureLossSettings(perceptual=0.5), teacher=light, perceptual=Mean(), discriminator=None)
    found = loss(clean, PicturePair(clean, degraded), torch.tensor([0.0, 1.0]), draws(2))
    assert float(found["perceptual"]) == pytest.approx((0.1**2 + 0.0) / 2, rel=1e-4)
