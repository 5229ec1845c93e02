"""One model folder of two trainings: the decoder comes from one, everything else from the other."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import scratch, settings, vae_settings

from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.training.networks.package_model import package_model
from pasd_batch.training.trainer import train

DECODER_ONLY = {
    "sizes": {"latent_channels": 8, "widths": [8, 8, 16, 24], "norm_groups": 2},
    "encoder": "principal_components",
    "decoder_only": True,
}
VAE_WEIGHTS = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def trained(work, one_thread):
    """A denoiser trained on a decoder's first steps, and the decoder after more of them."""
    for name, steps in (("early", 1), ("late", 3)):
        train(vae_settings(work, steps=steps, output=str(work / name), **DECODER_ONLY))
    train(settings(work, steps=1, model=scratch(work / "early"), losses={"prediction_type": "v_prediction"}))
    package_model(work / "output", work / "late", work / "model")
    return work


def restore(folder, prompt):
    model = ModelSettings(base=folder, control=folder, device="cpu")
    sampling = SamplingSettings(scale=1, min_short_side=32, steps=2, guidance_scale=1, added_prompt="")
    restorer = Restorer.from_settings(RestorationSettings(model=model, sampling=sampling))
    photo = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    (outcome,) = restorer.restore([photo], prompts=[prompt], seeds=[0])
    assert isinstance(outcome, Restoration)
    return outcome.image


def test_the_decoder_is_the_later_one_and_the_latents_are_the_same(trained):
    packaged, early, late = (load_file(trained / name / VAE_WEIGHTS) for name in ("model", "early", "late"))
    decoder = [name for name in packaged if name.startswith("decoder.")]
    assert all(torch.equal(packaged[name], late[name].half()) for name in decoder)
    assert any(not torch.equal(packaged[name], early[name].half()) for name in decoder)
    assert all(tensor.dtype == torch.float16 for tensor in packaged.values())


def test_no_word_changes_what_the_model_does(trained):
    without = restore(trained / "model", "")
    assert torch.equal(without, restore(trained / "model", "a horse on the moon"))
    assert not torch.equal(restore(trained / "output", ""), restore(trained / "output", "a horse on the moon"))


def test_the_empty_prompt_means_what_it_meant_in_training(trained):
    early, packaged = (load_file(trained / name / "text_encoder/model.safetensors") for name in ("output", "model"))
    (name,) = (name for name in packaged if name.endswith("token_embedding.weight"))
    assert torch.equal(packaged[name][-2:], early[name][-2:].half())


def test_a_decoder_of_other_latents_is_refused(trained):
    other = trained / "late" / VAE_WEIGHTS
    weights = load_file(other)
    weights["encoder.conv_in.weight"] = weights["encoder.conv_in.weight"] * 2
    save_file(weights, other)
    with pytest.raises(CheckpointError, match=r"encoder\.conv_in\.weight.*decoder_only"):
        package_model(trained / "output", trained / "late", trained / "again")
