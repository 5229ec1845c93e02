"""Personalised base models and LoRAs, every tensor of what they make."""

import community_files
import golden_data
import pytest
import torch
from golden_data import model_folder
from safetensors.torch import load_file

from pasd_batch.config.personalization import LoraSettings, PersonalizedSettings
from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.checkpoint import BaseModel, is_paca, load_base, load_unet
from pasd_batch.pasd.control_branch import ControlResiduals
from pasd_batch.pasd.lora import merge_lora
from pasd_batch.pasd.personalization import PersonalizedModel, blend, read_personalized
from pasd_batch.pasd.unet import PixelAwareUNet

STRENGTHS = {"1_0": 1.0, "0_5": 0.5}


def networks(unet: str) -> tuple[PixelAwareUNet, BaseModel]:
    return load_unet(model_folder(unet)).float(), load_base(model_folder("tiny/stable-diffusion-v1-5"))


def checkpoint(name: str):
    path = golden_data.FOLDER / name
    if not path.is_file():
        pytest.skip(f"this folder has no {name}")
    return path


def personalized(golden, strength: float) -> tuple[PixelAwareUNet, PersonalizedModel]:
    unet, base = networks(golden.description["models"][0])
    settings = PersonalizedSettings(weights=checkpoint(golden.description["checkpoint"]), strength=strength)
    model = read_personalized(settings, unet, base, allow_pickle=False)
    blend(unet, model.unet, strength=strength)
    return unet.float(), model


@pytest.mark.parametrize("case", STRENGTHS)
@pytest.mark.parametrize("name", golden_data.names("personalized"))
def test_every_tensor_of_a_personalised_unet(name: str, case: str):
    golden = golden_data.load(name)
    unet, _ = personalized(golden, STRENGTHS[case])
    expected, tensors = golden.description[f"state_dict_alpha_{case}"], unet.state_dict()
    assert expected.keys() == tensors.keys()
    relative = golden.description["recommended_tolerance"]["rel"]
    for key, about in expected.items():
        values = tensors[key].double()
        seen = [float(number) for number in (values.mean(), values.norm(), values.flatten()[0], values.flatten()[-1])]
        assert seen == pytest.approx(about, rel=relative, abs=1e-7), key


@pytest.mark.parametrize("case", STRENGTHS)
@pytest.mark.parametrize("name", golden_data.names("personalized"))
@torch.no_grad()
def test_what_a_personalised_unet_predicts(name: str, case: str):
    golden = golden_data.load(name)
    unet, _ = personalized(golden, STRENGTHS[case])
    if "denoiser_pasd_even" not in golden_data.names("denoiser_*"):
        pytest.skip("this folder has no denoiser_pasd_even")
    data = golden_data.load("denoiser_pasd_even").tensors
    skips = [data[f"down_residual_{number:02d}"] for number in range(12)]
    residuals = ControlResiduals(skips, data["mid_residual"])
    golden.check(unet(data["sample"], data["timestep"], data["text_states"], residuals), f"eps_alpha_{case}")


@pytest.mark.parametrize("name", golden_data.names("personalized"))
@torch.no_grad()
def test_its_vae_takes_the_place_of_the_base_s_whatever_the_strength(name: str):
    golden, vae = golden_data.load(name), golden_data.load("vae")
    _, model = personalized(golden, 0.5)
    assert model.vae is not None
    latents = vae.tensors["latents"] / vae.description["scaling_factor"]
    golden.check(vae_tiling.decode(model.vae.float(), latents, tile_size=256), "decoded")


@pytest.mark.parametrize("name", golden_data.names("personalized"))
def test_the_original_names_are_those_of_the_file(name: str):
    """Holds the tests' own list of names, which other tests make files with, to a file that nobody here has made."""
    golden = golden_data.load(name)
    unet, base = networks(golden.description["models"][0])
    made = community_files.single_file(unet.state_dict(), base.vae.state_dict())
    file = load_file(checkpoint(golden.description["checkpoint"]))
    assert {key: tensor.shape for key, tensor in made.items()} == {key: tensor.shape for key, tensor in file.items()}


@pytest.mark.parametrize("honoured", [False, True], ids=["alphas ignored, as released", "alphas honoured"])
@pytest.mark.parametrize("name", golden_data.names("lora"))
def test_every_tensor_of_a_merged_lora(name: str, honoured: bool, tmp_path):
    """The released code leaves alpha / rank out; with alphas set to the rank that is what this one does too.

    The file's own alphas make the same additions, each times its alpha / rank.
    """
    golden = golden_data.load(name)
    file = load_file(checkpoint(golden.description["checkpoint"]))
    rank = golden.description["rank"]
    alphas = {key: float(tensor) if honoured else float(rank) for key, tensor in file.items() if key.endswith(".alpha")}
    assert len(set(alphas.values()) - {rank}) == honoured, "the file's own alphas are not the rank"
    changed = {key: torch.tensor(alphas[key]) if key in alphas else tensor for key, tensor in file.items()}
    path = community_files.save_lora(tmp_path / "lora.safetensors", changed)
    unet, base = networks("tiny/pasd/unet")
    before = flat(unet, base)
    merge_lora(unet, base.text_encoder, LoraSettings(path=path, weight=golden.description["multiplier"]))
    after = flat(unet, base)
    merged = {key.removeprefix("merged."): tensor for key, tensor in golden.tensors.items()}
    assert {key for key, tensor in after.items() if not torch.equal(tensor, before[key])} == merged.keys()
    assert not any(is_paca(key) for key in merged)
    for key, expected in merged.items():
        scale = alphas[f"{community_files.kohya_name(key.removesuffix('.weight'))}.alpha"] / rank
        wanted = before[key].float() + scale * (expected - before[key].float())
        assert float((after[key] - wanted).abs().max()) <= golden.description["recommended_tolerance"]["abs"], key


def flat(unet, base) -> dict[str, torch.Tensor]:
    text = {
        f"text_encoder.text_model.{k.removeprefix('text_model.')}": t for k, t in base.text_encoder.state_dict().items()
    }
    return {**{f"unet.{key}": tensor for key, tensor in unet.state_dict().items()}, **text}
