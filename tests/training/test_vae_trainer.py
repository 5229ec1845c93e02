import sys

import pytest
import torch
from PIL import Image
from tiny_training import SIZES, scratch, settings, vae_settings, values

from pasd_batch.config.base import ConfigError
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.photos.photo_io import decode_photo, to_tensor
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
    sizes = {"latent_channels": 8, "widths": [8, 8, 16, 24], "norm_groups": 2}
    more = {"sizes": sizes, "encoder": "principal_components", "decoder_only": True}
    train(vae_settings(work, steps=1, output=str(work / "vae"), **more))
    first = load_trained_vae(work / "vae" / "vae")
    for path in (work / "photos").iterdir():
        Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    # The encoder stays that of the photos as they were when the training began.
    train(vae_settings(work, steps=3, output=str(work / "vae"), **more))
    second = load_trained_vae(work / "vae" / "vae")
    assert first.config["scaling_factor"] == second.config["scaling_factor"] == pytest.approx(1.0)
    changed = {
        name for name, tensor in first.state_dict().items() if not torch.equal(tensor, second.state_dict()[name])
    }
    assert changed
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)


def test_keeping_a_random_encoder_is_refused(work):
    with pytest.raises(ConfigError, match="decoder_only with a random encoder teaches nothing"):
        vae_settings(work, decoder_only=True)


PRINCIPAL = {
    "sizes": {"latent_channels": 8, "widths": [8, 8, 16, 24], "norm_groups": 2},
    "encoder": "principal_components",
    "decoder_only": True,
}


@pytest.fixture
def denoiser(work):
    """A model of its own size on a VAE with principal components."""
    train(vae_settings(work, steps=1, output=str(work / "vae"), **PRINCIPAL))
    train(settings(work, steps=1, model=scratch(work / "vae"), losses={"prediction_type": "v_prediction"}))
    return work / "output"


def losses_with(work, share, degraded_share):
    predicted = {"predicted": {"model": str(work / "output"), "share": share}} if share else {}
    chosen = vae_settings(work, **PRINCIPAL, **predicted, degraded_share=degraded_share)
    objective = build_task(chosen).objective
    maker = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=0)
    return float(objective(maker.make(range(4)))["l1"].detach())


def test_a_decoder_learns_from_what_a_denoiser_predicts(work, denoiser, one_thread):
    chosen = vae_settings(
        work,
        **{**PRINCIPAL, "encoder": "random"},
        initial=str(denoiser),
        predicted={"model": str(denoiser), "share": 1.0},
        degraded_share=0.0,
        optimizer={"learning_rate": 5e-3},
        ema_decay=None,
    )
    task = build_task(chosen)
    before = {name: tensor.clone() for name, tensor in task.objective.predictor.state_dict().items()}
    stepper = Stepper(task.objective, chosen, torch.device("cpu"), workers=1)
    batch = BatchMaker(list_photos(chosen.data.sources, chosen.data.storage), chosen.data, seed=0).make(range(2))
    losses = [float(stepper.step(step, [batch]).losses["l1"]) for step in range(100)]
    assert min(losses[-20:]) < losses[0] / 2, f"from {losses[0]:.3f} to {losses[-1]:.3f}"
    after = task.objective.predictor.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "the denoiser is not what learns"


def test_predictions_take_the_place_of_a_share_of_the_latents(work, denoiser):
    without, some, everything = (losses_with(work, share, 0.0) for share in (0.0, 0.6, 1.0))
    assert without != some != everything
    assert losses_with(work, 0.01, 0.0) == without, "no sample of these four is among one in a hundred"


def test_predictions_want_a_decoder_alone_and_shares_that_add_up(work):
    predicted = {"model": "model", "share": 0.9}
    with pytest.raises(ConfigError, match="predicted needs decoder_only: true"):
        vae_settings(work, predicted=predicted)
    with pytest.raises(ConfigError, match=r"degraded_share 0\.25 and predicted\.share 0\.9"):
        vae_settings(work, **PRINCIPAL, predicted=predicted)


def test_a_denoiser_of_other_latents_is_refused(work, denoiser):
    train(vae_settings(work, steps=1, output=str(work / "other"), **PRINCIPAL, seed=9))
    with pytest.raises(CheckpointError, match="its encoder is not the one"):
        build_task(
            vae_settings(
                work,
                **{**PRINCIPAL, "encoder": "random"},
                initial=str(work / "other"),
                predicted={"model": str(denoiser)},
            )
        )


def test_a_model_that_starts_at_doing_nothing_does_nothing(work):
    """Linear decoder and first prediction together: after a step too small to matter, the photo comes back."""
    linear = {
        "sizes": {"latent_channels": 12, "widths": [16, 24, 48, 64], "norm_groups": 2, "upsampling": "pixel_shuffle"},
        "encoder": "principal_components",
        "decoder": "linear",
        "decoder_only": True,
    }
    still = {"steps": 1, "optimizer": {"learning_rate": 1e-9}, "losses": {"prediction_type": "v_prediction"}}
    train(vae_settings(work, **{**still, "losses": {}}, **linear, output=str(work / "vae")))
    small = scratch(work / "vae")
    small["unet"] |= {"widths": [32, 16]}
    small |= {
        "branch": {"conditioning_embedding_out_channels": [16, 24, 32, 64]},
        "first_prediction": "degraded_photo",
        "schedule": {"beta_end": 0.0042},
    }
    train(settings(work, **still, model=small))
    output = work / "output"
    sampling = {"scale": 1.0, "steps": 1, "guidance_scale": 1.0, "min_short_side": 64, "color_fix": "none"}
    restorer = Restorer.from_settings(
        RestorationSettings(model=ModelSettings(base=output, control=output), sampling=SamplingSettings(**sampling))
    )
    photo = to_tensor(decode_photo((work / "photos" / "photo-0.png").read_bytes()))
    (restored,) = restorer.restore([photo], prompts=[""], seeds=[0])
    error = float((torch.as_tensor(restored.image) - photo).square().mean())
    vae = load_trained_vae(work / "vae" / "vae")
    with torch.no_grad():
        coded = vae.decode(vae.encode(2 * photo[None] - 1).latent_dist.mean).sample[0] / 2 + 0.5
    floor = float((coded - photo).square().mean())
    assert floor < 0.2 * float(photo.var())
    assert error < 1.5 * floor, f"{error:.5f}, and {floor:.5f} by the VAE alone"


def test_a_linear_decoder_needs_pixel_shuffles_and_an_encoder_that_makes_sense(work):
    with pytest.raises(ConfigError, match=r"decoder: linear needs sizes\.upsampling: pixel_shuffle"):
        vae_settings(work, encoder="principal_components", decoder="linear")
    with pytest.raises(ConfigError, match="decoder: linear with a random encoder makes no sense; set initial"):
        vae_settings(work, sizes=SIZES | {"upsampling": "pixel_shuffle"}, decoder="linear")


def test_a_linear_decoder_takes_only_the_encoder_of_initial(work):
    plain = {**SIZES, "widths": [16, 16, 48, 64]}
    train(vae_settings(work, steps=1, sizes=plain, output=str(work / "vae")))
    chosen = vae_settings(
        work,
        sizes=plain | {"upsampling": "pixel_shuffle"},
        initial=str(work / "vae"),
        decoder="linear",
        decoder_only=True,
    )
    found, begun = build_task(chosen).objective.vae.state_dict(), load_trained_vae(work / "vae" / "vae").state_dict()
    assert all(torch.equal(found[name], begun[name]) for name in begun if name.startswith(("encoder.", "quant_conv.")))
    assert found["decoder.up_blocks.0.upsamplers.0.conv.weight"].shape[0] == 4 * 64
