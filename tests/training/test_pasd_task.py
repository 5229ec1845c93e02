"""A training from layers of Real-ESRGAN, start to end: its folder is a whole model by itself."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import EVERYTHING, scratch, settings

from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.training.networks.teacher import RrdbNet
from pasd_batch.training.trainer import train

PICTURES = ["control_branch", "degradation_removal", "paca", "unet", "decoder"]


@pytest.fixture
def trained(work, one_thread):
    """Trains from a small generator, the text encoder too if asked for; the output."""
    torch.manual_seed(0)
    save_file(RrdbNet(blocks=1).state_dict(), work / "generator.safetensors")
    model = {
        "start": "real_esrgan",
        "generator": str(work / "generator.safetensors"),
        "blocks": [0],
        "latent_channels": 12,
        "unet": {**scratch("unused")["unet"], "widths": [32, 16]},
        "text_encoder": {"width": 16},
    }

    def trained(trainable):
        picture = {"steps": 2} if "decoder" in trainable else None
        losses = {"prediction_type": "v_prediction", "gamma": 0.05, "picture": picture}
        checkpoints = {"every": 2, "export_precision": "float16"}
        train(settings(work, steps=2, model=model, trainable=trainable, losses=losses, checkpoints=checkpoints))
        return work / "output"

    return trained


def restore(folder, prompt):
    model = ModelSettings(base=folder, control=folder, device="cpu")
    sampling = SamplingSettings(scale=1, min_short_side=32, steps=2, guidance_scale=1, added_prompt="")
    restorer = Restorer.from_settings(RestorationSettings(model=model, sampling=sampling))
    photo = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    (outcome,) = restorer.restore([photo], prompts=[prompt], seeds=[0])
    assert isinstance(outcome, Restoration)
    return outcome.image


def test_the_output_is_a_whole_model_on_which_no_word_has_an_effect(trained):
    output = trained(PICTURES)
    decoder = load_file(output / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(tensor.dtype == torch.float16 for tensor in decoder.values())
    assert torch.equal(restore(output, ""), restore(output, "a horse on the moon"))


def test_where_the_text_encoder_learns_words_differ(trained):
    output = trained(EVERYTHING)
    assert not torch.equal(restore(output, ""), restore(output, "a horse on the moon"))
