import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import scratch, settings, vae_settings, values

from pasd_batch.config.base import ConfigError
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.storage.storage import Storage
from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.networks.initialization import load_trained_vae
from pasd_batch.training.objectives.vae_objective import VaeObjective, build_vae
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task


def test_a_vae_learns_to_reconstruct_and_measures_its_latents(work, one_thread):
    chosen = vae_settings(work, optimizer={"learning_rate": 5e-3}, ema_decay=None)
    task = build_task(chosen)
    stepper = Stepper(task.objective, chosen, torch.device("cpu"), workers=1)
    maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=0)
    batch = maker.make(range(2))
    losses = [float(stepper.step(step, [batch]).losses["l1"]) for step in range(150)]
    assert min(losses[-20:]) < losses[0] / 2.5, f"from {losses[0]:.3f} to {losses[-1]:.3f}"
    with torch.no_grad():
        posterior = task.objective.vae.encode(batch.batch.clean).latent_dist
    size = float((posterior.mean.square() + posterior.var).mean().sqrt()) * task.objective.scaling_factor
    assert size == pytest.approx(1.0, rel=0.3), "the factor brings latents to mean square 1"


def test_a_trained_vae_carries_a_model_from_scratch(work):
    """VAE first, then the denoiser with the control branch; the result restores."""
    validation = {"every": 2, "sources": values(work)["data"]["sources"], "photos": 1, "crop_size": 32}
    train(vae_settings(work, steps=2, output=str(work / "vae"), validation=validation))
    lines = read_log(Storage.open(str(work / "vae")))
    assert {"l1", "kl", "loss"} <= lines[0].keys()
    assert lines[-1]["kind"] == "validation"
    train(settings(work, steps=1, model=scratch(work / "vae")))
    output = work / "output"
    restorer = Restorer.from_settings(RestorationSettings(model=ModelSettings(base=output, control=output)))
    assert restorer.models.vae.config["latent_channels"] == 8
    assert restorer.models.vae.config["scaling_factor"] != 0.18215


def test_the_vae_can_be_tiled_exactly(work):
    train(vae_settings(work, steps=1, output=str(work / "vae")))
    vae = load_trained_vae(work / "vae" / "vae")
    photo = torch.rand(1, 3, 160, 96) * 2 - 1
    whole, tiled = (vae_tiling.encode(vae, photo, tile_size=size).mean for size in (64, 8))
    assert torch.allclose(whole, tiled, atol=1e-4 * float(whole.abs().max()))


def test_a_perceptual_term_without_its_package_is_refused_with_the_remedy(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", None)
    with pytest.raises(TrainingError, match="pip install stlpips-pytorch"):
        build_task(vae_settings(work, losses={"perceptual": 0.5}))


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_the_perceptual_term_judges_and_does_not_learn(work, network):
    pytest.importorskip("stlpips_pytorch.stlpips", exc_type=ImportError)
    chosen = vae_settings(work, losses={"perceptual": 0.5, "perceptual_network": network})
    task = build_task(chosen)
    maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=0)
    assert not any(parameter.requires_grad for parameter in task.objective.perceptual.parameters())
    losses = task.objective(maker.make(range(2)))
    parts = losses["l1"] + 0.5 * losses["perceptual"] + 1e-6 * losses["kl"]
    assert float(losses["perceptual"]) > 0
    assert float(losses["loss"]) == pytest.approx(float(parts), rel=1e-5)


def test_the_perceptual_term_can_look_at_a_share_of_the_batch(work):
    class Sizes(torch.nn.Module):
        def forward(self, reconstruction, target):
            assert reconstruction.shape == target.shape
            return torch.full((len(target),), float(len(target)))

    chosen = vae_settings(work, losses={"perceptual": 0.5, "perceptual_share": 0.3})
    vae, maker = (
        build_vae(chosen.sizes),
        BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=0),
    )
    objective = VaeObjective(vae, chosen.losses, degraded_share=0.0, seed=0, perceptual=Sizes())
    assert float(objective(maker.make(range(4)))["perceptual"]) == 2.0


def test_only_the_decoder_learns_and_latents_keep_their_size(work):
    train(vae_settings(work, steps=1, output=str(work / "vae")))
    chosen = {"initial": str(work / "vae"), "decoder_only": True, "output": str(work / "decoder")}
    train(vae_settings(work, steps=2, **chosen))
    before = load_trained_vae(work / "vae" / "vae")
    file = work / "vae" / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    # The encoder stays as it was when the training began.
    train(vae_settings(work, steps=3, **chosen))
    after = load_trained_vae(work / "decoder" / "vae")
    assert after.config["scaling_factor"] == pytest.approx(before.config["scaling_factor"])
    own = after.state_dict()
    changed = {name for name, tensor in before.state_dict().items() if not torch.equal(tensor, own[name])}
    assert changed
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)


def test_keeping_a_random_encoder_is_refused(work):
    with pytest.raises(ConfigError, match="decoder_only with a random encoder teaches nothing; set initial"):
        vae_settings(work, decoder_only=True)


def test_a_vae_of_other_sizes_is_not_trained_further(work):
    with pytest.raises(CheckpointError, match="not of the given sizes"):
        build_task(vae_settings(work, initial=str(work / "base")))
