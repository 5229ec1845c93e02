"""Where trainings start: what is predicted, and folders that must be whole."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.training_model import FromPasd
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.initialization import initial_networks, load_trained_vae

WEIGHTS = "diffusion_pytorch_model.safetensors"


def going_on(folder, **more):
    return FromPasd(base=folder, control=folder, carries_base=True, **more)


def change_schedule(folder, **values):
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture
def model(work):
    return work / "base"


@pytest.mark.parametrize("kind", list(PredictionType))
def test_a_model_goes_on_predicting_what_it_did(model, kind):
    change_schedule(model, prediction_type=kind.value)
    assert initial_networks(going_on(model), None, seed=0).scheduler_config["prediction_type"] == kind.value
    asked = initial_networks(going_on(model), PredictionType.V_PREDICTION, seed=0)
    assert asked.scheduler_config["prediction_type"] == "v_prediction"


def test_noise_is_not_predicted_from_pure_noise_whoever_names_the_schedule(model):
    change_schedule(model, prediction_type="epsilon", rescale_betas_zero_snr=True)
    with pytest.raises(TrainingError, match=r"losses\.prediction_type: v_prediction"):
        initial_networks(going_on(model), None, seed=0)


def test_a_vae_that_lacks_a_tensor_is_refused_by_name(model):
    path = model / "vae" / WEIGHTS
    tensors = load_file(path)
    del tensors["decoder.conv_out.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"decoder\.conv_out\.weight"):
        load_trained_vae(model / "vae")
    with pytest.raises(CheckpointError, match="nowhere: there is no such VAE; train one first"):
        load_trained_vae(model / "nowhere")


def test_pickles_are_read_only_when_allowed(model):
    path = model / "unet" / WEIGHTS
    torch.save(load_file(path), model / "unet" / "diffusion_pytorch_model.bin")
    path.unlink()
    with pytest.raises(CheckpointError, match="allow_pickle"):
        initial_networks(going_on(model), None, seed=0)
    assert initial_networks(going_on(model, allow_pickle=True), None, seed=0).unet.config["paca"] == "pasd"
