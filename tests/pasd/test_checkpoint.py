"""Published folders load strictly; a UNet and a control branch can be started from a base model."""

import json

import pytest
import torch
from diffusers import AutoencoderKL
from pickled_trap import Trap
from safetensors.torch import load_file, save_file
from tiny_model import tiny_networks

from pasd_batch.pasd.checkpoint import (
    ENCODER_PARTS,
    initialise_control_branch,
    initialise_unet,
    is_paca,
    load_base,
    load_control_branch,
    load_unet,
    load_vae,
)
from pasd_batch.pasd.state_dict import CheckpointError

WEIGHTS = "diffusion_pytorch_model.safetensors"
# What the first published configurations say; everything newer is left to its default.
OLD_KEYS = {
    "attention_head_dim",
    "block_out_channels",
    "conditioning_embedding_out_channels",
    "cross_attention_dim",
    "in_channels",
    "norm_num_groups",
    "out_channels",
}


def change_config(folder, change):
    path = folder / "config.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def change_weights(folder, change, name=WEIGHTS):
    tensors = load_file(folder / name)
    change(tensors)
    save_file(tensors, folder / name, metadata={"format": "pt"})


def without_paca(folder):
    change_weights(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if is_paca(name)])


def assert_same_weights(model, expected):
    torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("paca", ["pasd", "pasd_light"])
def test_the_tensors_tell_the_form_of_paca(tmp_path, paca):
    unet, _ = tiny_networks(paca)
    unet.save_pretrained(tmp_path)
    change_config(tmp_path, lambda config: {key: value for key, value in config.items() if key != "paca"})
    loaded = load_unet(tmp_path)
    assert loaded.config["paca"] == paca
    assert not loaded.training
    assert_same_weights(loaded, unet)


@pytest.mark.parametrize(("load", "part"), [(load_unet, "unet"), (load_control_branch, "controlnet")])
class TestNetworkFolders:
    """What holds for the UNet's folder and the control branch's alike."""

    def test_config_without_newer_keys(self, model_copy, load, part):
        expected = load(model_copy / part)
        change_config(model_copy / part, lambda config: {key: config[key] for key in OLD_KEYS & set(config)})
        assert_same_weights(load(model_copy / part), expected)

    @pytest.mark.parametrize(
        ("option", "value"), [("use_linear_projection", True), ("time_embedding_type", "fourier"), ("shiny", 3)]
    )
    def test_unsupported_option_is_named(self, model_copy, load, part, option, value):
        change_config(model_copy / part, lambda config: config | {option: value})
        with pytest.raises(CheckpointError, match=f"{option} = {value!r}"):
            load(model_copy / part)

    def test_option_at_its_usual_value(self, model_copy, load, part):
        usual = {"use_linear_projection": False, "class_embed_type": None, "addition_embed_type_num_heads": 64}
        change_config(model_copy / part, lambda config: config | usual)
        load(model_copy / part)

    def test_differences_are_listed(self, model_copy, load, part):
        def damage(tensors):
            del tensors["conv_in.bias"]
            tensors["conv_in.gain"] = torch.ones(1)
            tensors["time_embedding.linear_1.bias"] = torch.ones(3)

        change_weights(model_copy / part, damage)
        with pytest.raises(CheckpointError) as caught:
            load(model_copy / part)
        for line in ("conv_in.bias", "conv_in.gain", "time_embedding.linear_1.bias: [3] instead of [128]"):
            assert f"\n    {line}" in str(caught.value)

    def test_missing_config(self, model_copy, load, part):
        (model_copy / part / "config.json").unlink()
        with pytest.raises(CheckpointError, match=r"config\.json: not found"):
            load(model_copy / part)

    def test_damaged_config(self, model_copy, load, part):
        (model_copy / part / "config.json").write_text("{")
        with pytest.raises(CheckpointError, match=r"config\.json: not valid JSON"):
            load(model_copy / part)


def test_half_precision_stays_as_it_is(tmp_path):
    unet, _ = tiny_networks()
    unet.half().save_pretrained(tmp_path)
    assert load_unet(tmp_path).dtype == torch.float16


def test_plain_stable_diffusion_unet_is_refused_with_the_remedy(model_copy):
    without_paca(model_copy / "unet")
    with pytest.raises(CheckpointError, match="plain Stable Diffusion UNet, give the PASD folder"):
        load_unet(model_copy / "unet")


@pytest.mark.parametrize("paca", ["pasd", "pasd_light"])
def test_unet_from_a_base_model_keeps_its_weights(model_copy, paca):
    without_paca(model_copy / "unet")
    base = load_file(model_copy / "unet" / WEIGHTS)
    started = initialise_unet(model_copy / "unet", paca).state_dict()
    assert {name for name in started if not is_paca(name)} == set(base)
    torch.testing.assert_close({name: started[name] for name in base}, base, rtol=0, atol=0)
    fresh = [tensor for name, tensor in started.items() if is_paca(name)]
    assert fresh
    assert all(bool(torch.isfinite(tensor).all()) for tensor in fresh)


def test_unet_from_a_base_model_is_float32(model_copy):
    without_paca(model_copy / "unet")
    change_weights(model_copy / "unet", lambda tensors: tensors.update({n: t.half() for n, t in tensors.items()}))
    assert {tensor.dtype for tensor in initialise_unet(model_copy / "unet", "pasd").state_dict().values()} == {
        torch.float32
    }


def test_unet_from_a_base_model_that_lacks_a_tensor(model_copy):
    without_paca(model_copy / "unet")
    change_weights(model_copy / "unet", lambda tensors: tensors.pop("conv_in.bias"))
    with pytest.raises(CheckpointError, match=r"1 missing:\n    conv_in\.bias"):
        initialise_unet(model_copy / "unet", "pasd")


def test_control_branch_starts_as_the_encoder_with_zero_outputs():
    unet, _ = tiny_networks()
    branch = initialise_control_branch(unet, conditioning_embedding_out_channels=(4, 4, 8, 8), use_rrdb=True)
    started, base = branch.state_dict(), unet.state_dict()
    copied = {name for name in base if name.startswith(ENCODER_PARTS)}
    assert copied == {name for name in started if not name.startswith("controlnet_")}
    torch.testing.assert_close({n: started[n] for n in copied}, {n: base[n] for n in copied}, rtol=0, atol=0)
    outputs = [n for n in started if n.startswith(("controlnet_down_blocks", "controlnet_mid_block"))]
    outputs += [n for n in started if n.startswith("controlnet_cond_embedding.conv_out")]
    assert len(outputs) == 2 * (12 + 1 + 1)
    assert all(not started[name].any() for name in outputs)
    assert branch.config["use_rrdb"] is True


def test_control_branch_has_weights_of_its_own():
    unet, _ = tiny_networks()
    before = unet.conv_in.weight.detach().clone()
    branch = initialise_control_branch(unet)
    with torch.no_grad():
        branch.conv_in.weight.zero_()
    assert torch.equal(unet.conv_in.weight, before)


def test_control_branch_of_another_shape_is_refused():
    unet, _ = tiny_networks()
    with pytest.raises(CheckpointError, match="encoder of the UNet: does not fit ControlBranch"):
        initialise_control_branch(unet, layers_per_block=1)


class TestBaseFolders:
    """Stable Diffusion folders, read through diffusers and transformers but as strictly."""

    @pytest.mark.parametrize("part", ["vae", "text_encoder", "tokenizer", "scheduler"])
    def test_missing_part_is_named(self, model_copy, part):
        (model_copy / part).rename(model_copy / "gone")
        with pytest.raises(CheckpointError, match=f"has no folder {part}/"):
            load_base(model_copy)

    @pytest.mark.parametrize(
        "file",
        [f"vae/{WEIGHTS}", "text_encoder/model.safetensors", "tokenizer/vocab.json", "scheduler/scheduler_config.json"],
    )
    def test_truncated_file_names_its_folder(self, model_copy, file):
        path = model_copy / file
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(CheckpointError, match=file.split("/")[0]):
            load_base(model_copy)

    @pytest.mark.parametrize(
        ("part", "name", "tensor"),
        [("vae", WEIGHTS, "decoder.conv_out.bias"), ("text_encoder", "model.safetensors", "final_layer_norm.bias")],
    )
    def test_missing_and_left_over_tensors_are_named(self, model_copy, part, name, tensor):
        def damage(tensors):
            (stored,) = (name for name in tensors if name.endswith(tensor))
            del tensors[stored]
            tensors["surplus"] = torch.ones(1)

        change_weights(model_copy / part, damage, name)
        with pytest.raises(CheckpointError, match=rf"(?s)missing.*{tensor}.*unexpected.*surplus"):
            load_base(model_copy)

    def test_misshapen_tensor_is_named(self, model_copy):
        change_weights(model_copy / "vae", lambda tensors: tensors.update({"decoder.conv_out.bias": torch.ones(7)}))
        with pytest.raises(CheckpointError, match=r"decoder\.conv_out\.bias"):
            load_base(model_copy)

    @pytest.mark.parametrize(("part", "name"), [("vae", "diffusion_pytorch_model"), ("text_encoder", "pytorch_model")])
    def test_pickles_only_when_allowed(self, model_copy, part, name):
        (file,) = (model_copy / part).glob("*.safetensors")
        torch.save(load_file(file), model_copy / part / f"{name}.bin")
        file.unlink()
        with pytest.raises(CheckpointError, match=rf"{name}\.bin: is a pickle.*allow_pickle"):
            load_base(model_copy)
        load_base(model_copy, allow_pickle=True)

    @pytest.mark.parametrize(("part", "name"), [("vae", "diffusion_pytorch_model"), ("text_encoder", "pytorch_model")])
    def test_pickled_program_does_not_run(self, model_copy, part, name, tmp_path):
        (file,) = (model_copy / part).glob("*.safetensors")
        file.unlink()
        torch.save({"weight": Trap(tmp_path / "sprung")}, model_copy / part / f"{name}.bin")
        with pytest.raises(CheckpointError, match=part):
            load_base(model_copy, allow_pickle=True)
        assert not (tmp_path / "sprung").exists()

    def test_names_of_the_first_release(self, model_copy):
        """Stable Diffusion 1.5 as published: attention of the VAE under its first names, position numbers stored."""
        expected = load_base(model_copy)
        renamed = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

        def rename(tensors):
            for name in [name for name in tensors if ".mid_block.attentions." in name]:
                new = name
                for now, then in renamed.items():
                    new = new.replace(f".{now}.", f".{then}.")
                tensors[new] = tensors.pop(name)

        change_weights(model_copy / "vae", rename)
        change_weights(
            model_copy / "text_encoder",
            lambda tensors: tensors.update({"text_model.embeddings.position_ids": torch.arange(77)[None]}),
            "model.safetensors",
        )
        base = load_base(model_copy)
        assert_same_weights(base.vae, expected.vae)
        assert_same_weights(base.text_encoder, expected.text_encoder)


@pytest.mark.parametrize("named", [True, False])
def test_a_vae_of_no_name_is_stable_diffusions(model_copy, named):
    config = json.loads((model_copy / "vae" / "config.json").read_text())
    assert config["_class_name"] == "AutoencoderKL"
    kept = config if named else {key: value for key, value in config.items() if not key.startswith("_")}
    (model_copy / "vae" / "config.json").write_text(json.dumps(kept))
    assert type(load_vae(model_copy / "vae")) is AutoencoderKL


def test_a_vae_that_only_an_earlier_version_has_is_refused_with_the_remedy(model_copy):
    config = json.loads((model_copy / "vae" / "config.json").read_text())
    (model_copy / "vae" / "config.json").write_text(json.dumps({**config, "_class_name": "PixelShuffleVae"}))
    with pytest.raises(CheckpointError, match=r"\(PixelShuffleVae\), as pasd_batch 0\.1\.0 .* or train a model anew"):
        load_vae(model_copy / "vae")


def test_a_text_in_a_library_s_folder_is_called_one(model_copy):
    (model_copy / "vae" / "diffusion_pytorch_model.safetensors").write_text("hello")
    with pytest.raises(CheckpointError, match=r"diffusion_pytorch_model\.safetensors: no safetensors, but a text"):
        load_vae(model_copy / "vae")
