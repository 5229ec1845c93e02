"""LoRAs of every naming: what merging adds to each layer, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from community_files import (
    LORA_NAMINGS,
    kohya_name,
    lora_layers,
    lora_tensors,
    random_factors,
    restored_after,
    save_lora,
)
from tiny_model import tiny_networks
from torch import Tensor

from pasd_batch.config.personalization import LoraSettings
from pasd_batch.pasd.checkpoint import is_paca, load_text_encoder
from pasd_batch.pasd.lora import merge_lora
from pasd_batch.pasd.state_dict import CheckpointError

RANK = 3
QUERY = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TEXT_KEY = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
WORDS = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"


class Networks:
    """A UNet and a text encoder, and what merging makes of them."""

    def __init__(self, form: str, text_encoder: Any) -> None:
        self.unet, self.text_encoder = tiny_networks(form)[0], text_encoder
        self.layers = lora_layers(self.unet, self.text_encoder)

    def merged(self, *paths: Path, allow_pickle: bool = False, **settings: Any) -> dict[str, Tensor]:
        """Every tensor that LoRAs change, by its layer's path."""
        before = self.tensors()
        with restored_after(self.unet, self.text_encoder):
            for path in paths:
                lora = LoraSettings(path=path, **settings)
                merge_lora(self.unet, self.text_encoder, lora, allow_pickle=allow_pickle)
            after = self.tensors()
        assert before.keys() == after.keys()
        return {name: after[name] for name in after if not torch.equal(after[name], before[name])}

    def tensors(self) -> dict[str, Tensor]:
        tensors = {f"unet.{name}": tensor for name, tensor in self.unet.state_dict().items()}
        for name, tensor in self.text_encoder.state_dict().items():
            tensors[f"text_encoder.text_model.{name.removeprefix('text_model.')}"] = tensor
        return tensors


@pytest.fixture(scope="module")
def text_encoder(tiny_model_folder):
    return load_text_encoder(tiny_model_folder / "text_encoder")


@pytest.fixture(scope="module")
def forms(text_encoder):
    return {form: Networks(form, text_encoder) for form in ("pasd", "pasd_light")}


@pytest.fixture(scope="module")
def pasd(forms):
    return forms["pasd"]


def assert_added(merged: dict[str, Tensor], layers: dict[str, Tensor], factors, scale_of) -> None:
    assert merged.keys() == {f"{layer}.weight" for layer in factors}
    for layer, (down, up) in factors.items():
        added = torch.einsum("or,ri->oi", up.flatten(1).double(), down.flatten(1).double())
        wanted = layers[layer].double() + scale_of(layer) * added.reshape(layers[layer].shape)
        assert torch.allclose(merged[f"{layer}.weight"].double(), wanted, atol=1e-6), layer


@pytest.mark.parametrize("naming", LORA_NAMINGS)
@pytest.mark.parametrize("form", ["pasd", "pasd_light"])
def test_each_layer_gets_what_the_file_has_for_it_and_paca_nothing(form, naming, forms, tmp_path):
    networks = forms[form]
    attention = re.compile(r".*(attn[12]|self_attn)\..*")
    first = naming == "diffusers, first versions"
    layers = {name: tensor for name, tensor in networks.layers.items() if not first or attention.fullmatch(name)}
    assert len(layers) == (132 if first else 287)
    alpha = 1.5 if naming == "kohya" else None
    factors = random_factors(layers, rank=RANK)
    path = save_lora(tmp_path / "lora.safetensors", lora_tensors(factors, naming, alpha=alpha))
    merged = networks.merged(path, weight=0.7)
    assert_added(merged, networks.layers, factors, lambda _: 0.7 * (alpha or RANK) / RANK)
    assert not any(is_paca(name) for name in merged)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"lora_alpha": 6}, 6 / RANK),
        ({"lora_alpha": 6, "use_rslora": True}, 6 / RANK**0.5),
        ({"lora_alpha": 6, "alpha_pattern": {"attn2.to_k": 2}}, 6 / RANK),
        ({}, 1.0),
    ],
)
@pytest.mark.parametrize("place", ["folder", "metadata"])
def test_strength_as_peft_configures_it(pasd, tmp_path, place, config, scale):
    factors = random_factors({layer: pasd.layers[layer] for layer in (QUERY, TEXT_KEY)}, rank=RANK)
    if place == "folder":
        path = tmp_path / "lora"
        save_lora(path / "adapter_model.safetensors", lora_tensors(factors, "peft"))
        (path / "adapter_config.json").write_text(json.dumps(config))
    else:
        told = json.dumps({f"unet.{name}": value for name, value in config.items()})
        tensors = lora_tensors(factors, "diffusers with peft")
        path = save_lora(tmp_path / "lora.safetensors", tensors, metadata={"lora_adapter_metadata": told})
    scales = {QUERY: scale, TEXT_KEY: 2 / RANK if "alpha_pattern" in config else scale}
    assert_added(pasd.merged(path), pasd.layers, factors, scales.__getitem__)


@pytest.mark.parametrize(
    ("settings", "of_unet", "of_words"),
    [
        ({}, 1.0, 1.0),
        ({"weight": 0.5}, 0.5, 0.5),
        ({"weight": -0.5}, -0.5, -0.5),
        ({"weight": 0.5, "text_encoder": 0.2}, 0.5, 0.2),
        ({"weight": 0.5, "text_encoder": 0}, 0.5, 0.0),
        ({"weight": 0, "text_encoder": 1}, 0.0, 1.0),
    ],
)
def test_unet_and_text_encoder_have_their_factors(pasd, tmp_path, settings, of_unet, of_words):
    factors = random_factors({layer: pasd.layers[layer] for layer in (QUERY, WORDS)}, rank=RANK)
    path = save_lora(tmp_path / "lora.safetensors", lora_tensors(factors, "kohya"))
    scales = {layer: scale for layer, scale in ((QUERY, of_unet), (WORDS, of_words)) if scale}
    merged = pasd.merged(path, **settings)
    assert_added(merged, pasd.layers, {layer: factors[layer] for layer in scales}, scales.__getitem__)


def test_several_add_up(pasd, tmp_path):
    factors = random_factors({QUERY: pasd.layers[QUERY]}, rank=RANK)
    path = save_lora(tmp_path / "lora.safetensors", lora_tensors(factors, "kohya"))
    assert_added(pasd.merged(path, path, weight=0.5), pasd.layers, factors, lambda _: 1.0)


def one_layer(pasd) -> dict[str, Tensor]:
    return lora_tensors(random_factors({QUERY: pasd.layers[QUERY]}, rank=RANK), "kohya", alpha=1.0)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (f"{kohya_name(QUERY)}.dora_scale", "is a DoRA, of which a part would be lost"),
        (f"{QUERY}.lora_magnitude_vector", "is a DoRA"),
        (f"{kohya_name(QUERY)}.hada_w1_a", "is a LoHa"),
        (f"{kohya_name(QUERY)}.lokr_w1", "is a LoKr"),
        (f"{kohya_name(QUERY)}.oft_blocks", "is a OFT"),
        (f"{kohya_name(QUERY)}.lora_mid.weight", "is a LoCon with a third factor"),
        ("model.diffusion_model.out.2.bias", r"a whole model; name it as model\.personalized"),
        ("string_to_param.*", "a textual inversion"),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", "is a LoRA for Stable Diffusion XL"),
        (
            "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k.lora_up.weight",
            "is a LoRA for Stable Diffusion XL",
        ),
        ("lora_unet_double_blocks_0_img_attn_proj.lora_up.weight", "is a LoRA for Flux"),
        ("lora_unet_joint_blocks_0_x_block_attn_proj.lora_up.weight", "is a LoRA for Stable Diffusion 3"),
        ("transformer.blocks.0.attn.to_q.lora_A.weight", "is a LoRA for Stable Diffusion 3 or Flux"),
        ("lora_unet_down_blocks_9_conv.lora_up.weight", r"(?s)belong to no layer.*down_blocks_9"),
        (f"{kohya_name(QUERY)}.diff", r"(?s)belong to no layer.*to_q\.diff"),
        (f"{QUERY}.lora_A.weight", r"(?s)belong to no layer.*to_q\.lora_A"),
    ],
)
def test_a_key_that_could_not_be_merged_is_refused_and_never_dropped(pasd, tmp_path, key, told):
    path = save_lora(tmp_path / "lora.safetensors", {**one_layer(pasd), key: torch.ones(2)})
    with pytest.raises(CheckpointError, match=told):
        pasd.merged(path)


@pytest.mark.parametrize("form", ["pasd", "pasd_light"])
def test_layers_of_paca_are_none_of_a_lora_s(form, forms, tmp_path):
    networks = forms[form]
    name, weight = next(
        (n, t) for n, t in networks.unet.state_dict().items() if is_paca(n) and n.endswith("to_q.weight")
    )
    factors = random_factors({f"unet.{name.removesuffix('.weight')}": weight}, rank=RANK)
    path = save_lora(tmp_path / "lora.safetensors", lora_tensors(factors, "kohya"))
    with pytest.raises(CheckpointError, match=r"(?s)belong to no layer.*to_q"):
        networks.merged(path)


def test_half_a_pair_is_refused(pasd, tmp_path):
    tensors = {key: tensor for key, tensor in one_layer(pasd).items() if "lora_up" not in key}
    with pytest.raises(CheckpointError, match=r"layers with half a pair:\n.*to_q"):
        pasd.merged(save_lora(tmp_path / "lora.safetensors", tensors))


@pytest.mark.parametrize(("width", "told"), [(1024, "Diffusion 2"), (2048, "Diffusion XL"), (17, "does not fit")])
def test_layers_of_other_widths_are_refused_by_name(pasd, tmp_path, width, told):
    factors = random_factors({TEXT_KEY: torch.zeros(len(pasd.layers[TEXT_KEY]), width)}, rank=RANK)
    with pytest.raises(CheckpointError, match=rf"(?s){told}.*attn2\.to_k: \[64, 3\] x \[3, {width}\] for \[64, 16\]"):
        pasd.merged(save_lora(tmp_path / "lora.safetensors", lora_tensors(factors, "kohya")))


@pytest.mark.parametrize(
    ("layer", "settings", "told"),
    [
        (None, {}, "it has no layers"),
        (
            WORDS,
            {"text_encoder": 0},
            r"is for text encoder alone, which its factors \(weight 1, text_encoder 0\.0\) leave out",
        ),
        (QUERY, {"weight": 0}, "is for UNet alone, which its factors"),
    ],
)
def test_one_that_changes_nothing_is_refused(pasd, tmp_path, layer, settings, told):
    factors = random_factors({layer: pasd.layers[layer]} if layer else {}, rank=RANK)
    path = save_lora(tmp_path / "lora.safetensors", lora_tensors(factors, "kohya"))
    with pytest.raises(CheckpointError, match=f"would change nothing: .*{told}"):
        pasd.merged(path, **settings)


def test_so_is_one_of_zeros(pasd, tmp_path):
    tensors = {key: torch.zeros_like(tensor) if "lora_up" in key else tensor for key, tensor in one_layer(pasd).items()}
    with pytest.raises(CheckpointError, match="has no layers but zeros"):
        pasd.merged(save_lora(tmp_path / "lora.safetensors", tensors))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_with_values_that_are_no_numbers_is_refused(pasd, tmp_path, value):
    tensors = {
        key: torch.full_like(tensor, value) if "lora_up" in key else tensor for key, tensor in one_layer(pasd).items()
    }
    with pytest.raises(CheckpointError, match="values that are not finite numbers"):
        pasd.merged(save_lora(tmp_path / "lora.safetensors", tensors))


def test_a_dora_that_only_its_configuration_tells_is_refused(pasd, tmp_path):
    save_lora(
        tmp_path / "adapter_model.safetensors", lora_tensors({QUERY: (torch.ones(1, 32), torch.ones(32, 1))}, "peft")
    )
    (tmp_path / "adapter_config.json").write_text(json.dumps({"use_dora": True}))
    with pytest.raises(CheckpointError, match="is a DoRA"):
        pasd.merged(tmp_path)


def test_pickles_only_when_allowed(pasd, tmp_path):
    torch.save(one_layer(pasd), tmp_path / "lora.ckpt")
    with pytest.raises(CheckpointError, match=r"lora\.ckpt: is a pickle.*allow_pickle"):
        pasd.merged(tmp_path / "lora.ckpt")
    assert pasd.merged(tmp_path / "lora.ckpt", allow_pickle=True).keys() == {f"{QUERY}.weight"}


@pytest.mark.parametrize(("name", "told"), [("nowhere.safetensors", "no such file"), (".", "name the file in it")])
def test_a_path_without_a_lora_is_named(pasd, tmp_path, name, told):
    with pytest.raises(CheckpointError, match=told):
        pasd.merged(tmp_path / name)
