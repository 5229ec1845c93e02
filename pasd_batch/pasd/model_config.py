"""Configuration files of model folders, and which of diffusers' options these networks implement."""

import inspect
import json
from pathlib import Path
from typing import Any

from pasd_batch.pasd.encoder import DiffusionEncoder
from pasd_batch.pasd.state_dict import CheckpointError

# Options of diffusers' own classes that the published models leave at the value given here.
_NEUTRAL_OPTIONS: dict[str, Any] = {
    "addition_embed_type": None,
    "addition_time_embed_dim": None,
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "controlnet_conditioning_channel_order": "rgb",
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "dropout": 0.0,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "global_pool_conditions": False,
    "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1,
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "projection_class_embeddings_input_dim": None,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "use_linear_projection": False,
}
_WITHOUT_EFFECT = {"addition_embed_type_num_heads"}


def read_model_config(folder: Path, model: type[DiffusionEncoder]) -> dict[str, Any]:
    """The constructor arguments that a folder's `config.json` gives; keys it lacks keep their defaults.

    Raises:
        CheckpointError: the file is missing, or sets an option to something these networks do not implement.
    """
    config = read_json(folder / "config.json")
    accepted = accepted_options(model)
    refused = [
        f"{name} = {value!r}"
        for name, value in config.items()
        if name not in accepted
        and not name.startswith("_")
        and name not in _WITHOUT_EFFECT
        and (name not in _NEUTRAL_OPTIONS or value != _NEUTRAL_OPTIONS[name])
    ]
    if refused:
        raise CheckpointError(f"{folder / 'config.json'}: not supported by {model.__name__}: {', '.join(refused)}")
    return {name: value for name, value in config.items() if name in accepted}


def accepted_options(model: type[DiffusionEncoder]) -> set[str]:
    """Names of the constructor's arguments."""
    return set(inspect.signature(model.__init__).parameters) - {"self"}


def read_json(path: Path) -> dict[str, Any]:
    """A configuration file of a model folder.

    Raises:
        CheckpointError: it is not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: not found") from None
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from None
