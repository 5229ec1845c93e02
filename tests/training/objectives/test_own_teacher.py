"""Distillation: the model's own multi-step sampling as the teacher of a student for fewer steps."""

import pytest
import torch
from safetensors.torch import load_file
from skimage import data
from tiny_training import settings

from pasd_batch.config.base import ConfigError
from pasd_batch.config.picture_losses import OwnTeacherSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.config.training_model import FromPasd
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.pasd.sampling import DenoisingPhoto, denoise
from pasd_batch.pasd.schedulers import build_scheduler
from pasd_batch.pasd.tiling import plan_tiles
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.networks.initialization import initial_networks
from pasd_batch.training.objectives.own_teacher import OwnTeacher
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task

TEACHER = {"steps": 4, "guidance_scale": 2.0}
QUICK = {"steps": 2, "guidance_scale": 1.0}
DENOISER = ["control_branch", "degradation_removal", "paca", "unet"]


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Sums must round alike."""


def distillation(work, picture=None, **more):
    base = str(work / "base")
    model = {"start": "pasd", "base": base, "control": base, "carries_base": True}
    picture = {"own_teacher": TEACHER, "pure_noise_share": 1.0, **(picture or {})}
    losses = {"prediction_type": "v_prediction", "denoising": 0.0, "gamma": 0.0, "picture": picture}
    return settings(work, **{"model": model, "losses": losses, "trainable": DENOISER, **more})


def whole_model(work):
    return initial_networks(FromPasd(base=work / "base", control=work / "base", carries_base=True), None, seed=0)


def batches(chosen):
    return BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=chosen.seed)


def test_the_teacher_samples_as_restoring_does(work):
    """Guided, with what is added to captions, by diffusers' DDIM from the last timestep on.

    Its steps must divide the timesteps, or else diffusers goes by other ones than it says.
    """
    networks = whole_model(work)
    teacher = OwnTeacher(networks, OwnTeacherSettings(**TEACHER, added_prompt="sharp", negative_prompt="dull"))
    prompts = PromptEncoder(networks.tokenizer, networks.text_encoder)
    start, degraded = torch.randn(2, 4, 8, 8), torch.rand(2, 3, 64, 64)
    states = teacher.encode_prompts(prompts, ["a cat", ""])
    made = teacher(start, degraded, states, networks.alphas_cumprod)
    embeddings = networks.control_branch.controlnet_cond_embedding(degraded).embedding.detach()
    photos = [
        DenoisingPhoto(
            start=start[number : number + 1],
            grid=plan_tiles(Size(8, 8), TilingSettings(tile_size=8, overlap=2)),
            embeddings=embeddings[number : number + 1],
            prompt=prompts.encode(prompt),
            negative_prompt=prompts.encode("dull"),
            generator=torch.Generator(),
        )
        for number, prompt in enumerate(("a cat, sharp", "sharp"))
    ]
    config = {**networks.scheduler_config, "timestep_spacing": "trailing", "set_alpha_to_one": True}
    expected = denoise(
        GuidedDenoiser(networks.unet, networks.control_branch, Guidance(2.0)),
        photos,
        lambda: build_scheduler("DDIMScheduler", config, TEACHER["steps"]),
        tile_batch=2,
    )
    torch.testing.assert_close(made, torch.cat(expected), rtol=1e-3, atol=1e-4)


def test_without_guidance_nothing_is_steered_away_from(work):
    networks = whole_model(work)
    teacher = OwnTeacher(networks, OwnTeacherSettings(steps=2, guidance_scale=1.0))
    states = teacher.encode_prompts(PromptEncoder(networks.tokenizer, networks.text_encoder), ["", "a cat"])
    assert [each.shape[0] for each in states] == [2]


def test_a_student_learns_the_teachers_pictures(work):
    picture = {"own_teacher": QUICK}
    chosen = distillation(work, picture, optimizer={"learning_rate": 1e-3}, ema_decay=None)
    task = build_task(chosen)
    stepper = Stepper(task.objective, chosen, torch.device("cpu"), workers=1)
    before = {name: tensor.clone() for name, tensor in task.objective.own_teacher.state_dict().items()}
    batch = batches(chosen).make(range(2))
    errors = [float(stepper.step(step, [batch]).losses["picture"]) for step in range(12)]
    assert min(errors[-4:]) < errors[0] / 1.5, f"from {errors[0]:.4f} to {errors[-1]:.4f}"
    after = task.objective.own_teacher.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_distillation_resumes_exactly_and_its_model_restores_in_as_few_steps(work):
    train(distillation(work, {"own_teacher": QUICK}, steps=2, output=str(work / "through")))
    for steps in (1, 2):
        train(distillation(work, {"own_teacher": QUICK}, steps=steps))
    lines, whole = (read_log(Storage.open(str(work / name))) for name in ("output", "through"))
    for line, other in zip(lines, whole, strict=True):
        assert {**line, "samples_per_second": 0} == {**other, "samples_per_second": 0}
    state = "checkpoints/step-00000002/training/weights.safetensors"
    resumed, through = (load_file(work / name / state) for name in ("output", "through"))
    assert all(torch.equal(resumed[name], through[name]) for name in through)
    assert not any(name.startswith("own_teacher.") for name in through)
    restored = restored_in_one_step(work / "output")
    assert isinstance(restored, Restoration)


def restored_in_one_step(folder):
    """A photo by the trained model, with the settings that the student is for."""
    sampling = {"steps": 1, "guidance_scale": 1.0, "added_prompt": "", "min_short_side": 64, "scale": 1}
    model = {"base": str(folder), "control": str(folder), "device": "cpu"}
    restorer = Restorer.from_settings(RestorationSettings.parse({"model": model, "sampling": sampling}))
    assert restorer.models.scheduler_config["timestep_spacing"] == "trailing"
    photo = torch.from_numpy(data.astronaut()[:64, :64]).permute(2, 0, 1) / 255
    (made,) = restorer.restore([photo], prompts=[""], seeds=[0])
    return made


@pytest.mark.parametrize(
    ("picture", "more", "message"),
    [
        ({"teacher": "esrgan"}, {}, "teacher and own_teacher both set the target"),
        ({}, {"model": {"start": "scratch", "vae": "base"}}, r"must be a trained one; set model\.start: pasd"),
        (
            {},
            {"trainable": ["unet", "decoder"]},
            r"decoder, which losses\.picture\.own_teacher works with",
        ),
    ],
)
def test_teachers_that_cannot_teach_are_refused(work, picture, more, message):
    with pytest.raises(ConfigError, match=message):
        distillation(work, picture, **more)
