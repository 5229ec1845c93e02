"""Personalised base models: every tensor of what loading makes of them, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from community_files import restored_after, single_file
from safetensors.torch import load_file, save_file
from tiny_model import ARCHITECTURE, tiny_networks
from torch import Tensor

from pasd_batch.config.base import ConfigError
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.pasd.checkpoint import BaseModel, is_paca, load_base, load_text_encoder
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.personalization import personalize
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.pasd.unet import PixelAwareUNet
from pasd_batch.pasd.untrained import save_untrained

WEIGHTS = "diffusion_pytorch_model.safetensors"
FORMS = ["pasd", "pasd_light"]
SOURCES = ["folder", "its unet alone", "a unet folder", "single file", "single file, unet alone", "pickle"]


@dataclass(frozen=True)
class Tiny:
    """A tiny base, UNets of both forms of PASD on it, and a personalised model of the same shape."""

    base_folder: Path
    base: BaseModel
    unets: dict[str, PixelAwareUNet]
    folder: Path
    """The personalised model."""

    @property
    def theirs(self) -> dict[str, Tensor]:
        return load_file(self.folder / "unet" / WEIGHTS)

    def own(self, form: str) -> dict[str, Tensor]:
        return self.unets[form].state_dict()

    def personalize(
        self, source: Path, form: str = "pasd", *, strength: float = 1.0, allow_pickle: bool = False
    ) -> dict[str, dict[str, Tensor]]:
        """The tensors of what it makes of UNet, VAE and text encoder."""
        model = {
            "base": self.base_folder,
            "control": self.base_folder,
            "personalized": {"weights": source, "strength": strength},
            "allow_pickle": allow_pickle,
        }
        settings = RestorationSettings.parse({"model": model}).model
        unet = self.unets[form]
        with restored_after(unet, self.base.vae, self.base.text_encoder):
            base = personalize(unet, self.base, settings)
            assert base.tokenizer is self.base.tokenizer
            return {
                "unet": unet.state_dict(),
                "vae": base.vae.state_dict(),
                "text_encoder": base.text_encoder.state_dict(),
            }


@pytest.fixture(scope="module")
def tiny(tiny_model_folder, tmp_path_factory) -> Tiny:
    folder = tmp_path_factory.mktemp("personalized") / "toon"
    save_untrained(folder, ARCHITECTURE, seed=8)
    shutil.rmtree(folder / "controlnet")
    plain = {n: t for n, t in load_file(folder / "unet" / WEIGHTS).items() if not is_paca(n)}
    save_file(plain, folder / "unet" / WEIGHTS)
    unets = {form: tiny_networks(form)[0] for form in FORMS}
    return Tiny(tiny_model_folder, load_base(tiny_model_folder), unets, folder)


@pytest.fixture
def made(tiny, tmp_path) -> Callable[[str], Path]:
    """Makes the personalised model in one of the ways in which they are shared."""
    unet = load_file(tiny.folder / "unet" / WEIGHTS)
    parts = [load_file(next((tiny.folder / part).glob("*.safetensors"))) for part in ("vae", "text_encoder")]

    def make(source: str) -> Path:
        match source:
            case "folder":
                return tiny.folder
            case "its unet alone":
                shutil.copytree(tiny.folder / "unet", tmp_path / "toon" / "unet")
                return tmp_path / "toon"
            case "a unet folder":
                return tiny.folder / "unet"
            case "single file":
                save_file(single_file(unet, *parts), tmp_path / "toon.safetensors")
            case "single file, unet alone":
                save_file(single_file(unet), tmp_path / "toon.safetensors")
            case "pickle":
                torch.save({"state_dict": single_file(unet, *parts), "global_step": 7}, tmp_path / "toon.ckpt")
                return tmp_path / "toon.ckpt"
        return tmp_path / "toon.safetensors"

    return make


@pytest.mark.parametrize(
    ("source", "strength"),
    [*((source, 0.25) for source in SOURCES), ("folder", 1.0), ("single file", 1.0), ("folder", 0.0)],
)
@pytest.mark.parametrize("form", FORMS)
def test_every_tensor_is_blended_but_those_of_paca(tiny, made, form, source, strength):
    own, theirs = tiny.own(form), tiny.theirs
    seen = tiny.personalize(made(source), form, strength=strength, allow_pickle=source == "pickle")
    assert theirs.keys() == {name for name in own if not is_paca(name)} != own.keys()
    for name, tensor in seen["unet"].items():
        if is_paca(name):
            assert torch.equal(tensor, own[name]), name
        else:
            assert torch.allclose(tensor, strength * theirs[name] + (1 - strength) * own[name], atol=1e-6), name
    replaced = "alone" not in source and source != "a unet folder"
    expected = load_base(tiny.folder) if replaced else tiny.base
    assert_same(seen["vae"], expected.vae.state_dict())
    assert_same(seen["text_encoder"], expected.text_encoder.state_dict())


def assert_same(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())


def test_restorers_get_what_the_settings_name_and_the_control_branch_stays(tiny):
    """Base and personalised model are one folder: its own `unet/` counts when it is asked for, and only then."""
    model = {"base": tiny.folder, "control": tiny.base_folder, "device": "cpu"}
    plain, personalized = (
        load_models(RestorationSettings.parse({"model": model | more}).model)
        for more in ({}, {"personalized": {"weights": tiny.folder}})
    )
    assert not torch.equal(plain.unet.state_dict()["conv_in.weight"], tiny.theirs["conv_in.weight"])
    seen = personalized.unet.state_dict()
    assert all(torch.equal(seen[name], tensor) for name, tensor in tiny.theirs.items())
    assert_same(personalized.control_branch.state_dict(), plain.control_branch.state_dict())
    assert_same(personalized.vae.state_dict(), plain.vae.state_dict())


def test_a_photo_is_restored_with_them_and_with_the_trigger_words(tiny, photograph):
    model = {"base": tiny.base_folder, "control": tiny.base_folder, "device": "cpu"}
    sampling = {"steps": 1, "min_short_side": 64, "scale": 1.0}
    plain, personalized = (
        restore(photograph[:, :64, :64], {"model": model | {"personalized": weights}, "sampling": sampling | words})
        for weights, words in ((None, {}), ({"weights": tiny.folder}, {"trigger_words": "toon style"}))
    )
    assert plain.prompt == "a woman, clean, high-resolution, 8k"
    assert personalized.prompt == "toon style, a woman, clean, high-resolution, 8k"
    assert float((personalized.image - plain.image).abs().mean()) > 0.01


def restore(photo, settings):
    restorer = Restorer.from_settings(RestorationSettings.parse(settings))
    (outcome,) = restorer.restore([photo], prompts=["a woman"], seeds=[1])
    return outcome


def test_half_precision_is_blended_in_float32(tiny, tmp_path):
    theirs = {name: tensor.half() for name, tensor in tiny.theirs.items()}
    save_file(single_file(theirs), tmp_path / "half.safetensors")
    unet = tiny.personalize(tmp_path / "half.safetensors", strength=0.5)["unet"]
    own = tiny.own("pasd")
    for name, tensor in theirs.items():
        assert torch.allclose(unet[name], (tensor.float() + own[name]) / 2, rtol=0, atol=1e-6), name


def test_names_of_the_first_hour(tiny, made):
    """Files without `text_model.`, as those of before transformers 4.20 and what was merged with them."""
    path = made("single file")
    file = load_file(path)
    old = {name.replace(".transformer.text_model.", ".transformer."): tensor for name, tensor in file.items()}
    assert old.keys() != file.keys()
    save_file(old, path)
    expected = load_text_encoder(tiny.folder / "text_encoder").state_dict()
    assert_same(tiny.personalize(path)["text_encoder"], expected)


def change_config(folder: Path, **values: Any) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"cross_attention_dim": 1024}, "is Stable Diffusion 2"),
        ({"cross_attention_dim": 2048}, "is Stable Diffusion XL"),
        ({"addition_embed_type": "text_time"}, "is Stable Diffusion XL"),
        ({"in_channels": 9}, "is an inpainting model"),
        ({"in_channels": 8}, "is InstructPix2Pix"),
        ({"attention_head_dim": [1, 2, 4, 4]}, r"attention_head_dim = \[1, 2, 4, 4\] instead of 2"),
        ({"class_embed_type": "projection"}, "class_embed_type = 'projection'"),
    ],
)
def test_a_folder_of_another_family_is_refused_by_name(tiny, tmp_path, values, told):
    folder = Path(shutil.copytree(tiny.folder, tmp_path / "other"))
    change_config(folder / "unet", **values)
    with pytest.raises(CheckpointError, match=told):
        tiny.personalize(folder)


def test_heads_may_be_said_for_each_level(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny.folder, tmp_path / "same"))
    change_config(folder / "unet", attention_head_dim=[2, 2, 2, 2], sample_size=99)
    tiny.personalize(folder)


def test_a_model_that_predicts_something_else_than_its_base_is_refused(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny.folder, tmp_path / "other"))
    scheduler = folder / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"prediction_type": "v_prediction"}))
    with pytest.raises(CheckpointError, match="predicts v_prediction, the base epsilon"):
        tiny.personalize(folder)


def test_a_folder_of_a_pasd_is_refused_with_its_setting(tiny):
    with pytest.raises(CheckpointError, match=r"holds PACA tensors.*model\.control"):
        tiny.personalize(tiny.base_folder)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("transformer/config.json", "as Stable Diffusion 3 and Flux do"),
        ("toon.safetensors", r"name one file in it, such as toon\.safetensors"),
        ("pytorch_lora_weights.safetensors", r"holds a LoRA.*model\.loras"),
        ("notes.txt", "give a diffusers folder or a single file"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_with_the_remedy(tiny, tmp_path, file, told):
    path = tmp_path / "folder" / file
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(CheckpointError, match=told):
        tiny.personalize(tmp_path / "folder")


@pytest.mark.parametrize("source", ["single file", "folder"])
def test_tensors_that_are_missing_or_misshapen_are_named(tiny, made, tmp_path, source):
    path = made(source)
    name, other = "conv_in.bias", "conv_out.bias"
    if source == "folder":
        path = Path(shutil.copytree(path, tmp_path / "copy"))
    else:
        name, other = "model.diffusion_model.input_blocks.0.0.bias", "model.diffusion_model.out.2.bias"
    weights = path / "unet" / WEIGHTS if path.is_dir() else path
    tensors = load_file(weights)
    del tensors[name]
    tensors[other] = torch.ones(9)
    save_file(tensors, weights)
    with pytest.raises(
        CheckpointError, match=r"(?s)1 missing:\n    conv_in\.bias.*conv_out\.bias: \[9\] instead of \[4\]"
    ):
        tiny.personalize(path)


def test_half_a_vae_is_refused(tiny, made):
    path = made("single file")
    tensors = load_file(path)
    del tensors["first_stage_model.decoder.conv_out.bias"]
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"does not fit AutoencoderKL\n  1 missing:\n    decoder\.conv_out\.bias"):
        tiny.personalize(path)


def test_pickles_only_when_allowed(tiny, made):
    with pytest.raises(CheckpointError, match=r"toon\.ckpt: is a pickle.*allow_pickle"):
        tiny.personalize(made("pickle"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("toon.gguf", b"GGUF", r"not a format of weights that is read \(\.safetensors, "),
        ("toon.safetensors", b"\x10\0\0\0", "damaged or cut short"),
        ("missing.safetensors", None, "no such file or folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tiny, tmp_path, name, content, told):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name}: {told}"):
        tiny.personalize(tmp_path / name)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"personalized": {"weights": "toon.safetensors"}}, "not for the embedded model; name base and control"),
        ({"loras": [{"path": "style.safetensors"}]}, "not for the embedded model; name base and control"),
        ({"base": "a", "control": "b", "personalized": {"weights": ""}}, "a path is needed"),
        ({"base": "a", "control": "b", "personalized": {"weights": "c", "strength": 1.5}}, "personalized.strength"),
        ({"base": "a", "control": "b", "personalized": "c"}, "a group of settings is needed"),
    ],
)
def test_settings_that_cannot_be_are_refused(model, told):
    with pytest.raises(ConfigError, match=told):
        RestorationSettings.parse({"model": model})
