"""Personalised models as single files with the original latent diffusion (LDM) names.

Every tensor of a file belongs to UNet, VAE or text encoder, is listed here as not needed, or is named in an error.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    infer_diffusers_model_type,
)
from torch import Tensor

from pasd_batch.pasd.families import KINDS, REMEDY
from pasd_batch.pasd.state_dict import CheckpointError, listing

logger = logging.getLogger(__name__)

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT_ENCODER = "cond_stage_model.transformer."

NOT_NEEDED = {
    "model_ema.": "training's running average of the UNet; what communities use is the UNet itself",
    "first_stage_model.loss.": "networks that the VAE was trained with",
    "first_stage_model.model_ema.": "training's running average of the VAE",
    "cond_stage_model.transformer.text_model.embeddings.position_ids": "the numbers 0 to 76",
    "cond_stage_model.transformer.embeddings.position_ids": "the numbers 0 to 76",
    "cond_stage_model.logit_scale": "CLIP's comparison with pictures, which no prompt goes through",
    "cond_stage_model.text_projection": "CLIP's comparison with pictures, which no prompt goes through",
    "cond_stage_model.transformer.text_projection.": "CLIP's comparison with pictures, which no prompt goes through",
    "embedding_manager.": "what textual inversion trained beside the model",
    "safety_checker.": "a classifier of pictures",
    **dict.fromkeys(
        (
            "betas",
            "alphas_cumprod",
            "alphas_cumprod_prev",
            "sqrt_alphas_cumprod",
            "sqrt_one_minus_alphas_cumprod",
            "log_one_minus_alphas_cumprod",
            "sqrt_recip_alphas_cumprod",
            "sqrt_recipm1_alphas_cumprod",
            "posterior_variance",
            "posterior_log_variance_clipped",
            "posterior_mean_coef1",
            "posterior_mean_coef2",
            "logvar",
        ),
        "the noise schedule as a table; PASD's own is in its folder",
    ),
}
"""Tensors of files that are not read, each with why, by name, or by a name's beginning where it ends in a dot."""


@dataclass(frozen=True)
class SingleFile:
    """The parts of a file under the names that diffusers and transformers give them; None for a part it lacks."""

    unet: dict[str, Tensor]
    vae: dict[str, Tensor] | None
    text_encoder: dict[str, Tensor] | None
    """Names without `text_model.` at their beginning."""


def split_single_file(
    tensors: Mapping[str, Tensor], unet_config: Mapping[str, Any], vae_config: Mapping[str, Any], *, source: str
) -> SingleFile:
    """Sort a file's tensors into its parts and give them today's names.

    Args:
        tensors: all of the file's.
        unet_config: of the UNet that they are for.
        vae_config: of the VAE that they would replace.
        source: the file, as messages name it.

    Raises:
        CheckpointError: it is another family of models, or has tensors that nobody knows.
    """
    _check_family(tensors, source)
    names = [name for name in tensors if not _is_not_needed(name)]
    unet = _places(_below(UNET, names), lambda trace: convert_ldm_unet_checkpoint(trace, unet_config), prefix=UNET)
    vae = _places(_below(VAE, names), lambda trace: convert_ldm_vae_checkpoint(trace, vae_config))
    text_encoder = {_text_name(name): name for name in _below(TEXT_ENCODER, names).values()}
    known = {*unet.values(), *vae.values(), *text_encoder.values()}
    if unknown := [name for name in names if name not in known]:
        raise CheckpointError(
            f"{source}: has tensors that Stable Diffusion 1.5 does not have\n{listing('unknown tensors', unknown)}"
        )
    if len(names) < len(tensors):
        logger.info("%s: %d tensors are not needed, such as averages of training", source, len(tensors) - len(names))
    return SingleFile(
        unet={new: tensors[name] for new, name in unet.items()},
        vae={new: _without_pixels(new, tensors[name]) for new, name in vae.items()} or None,
        text_encoder={new: tensors[name] for new, name in text_encoder.items()} or None,
    )


def _check_family(tensors: Mapping[str, Tensor], source: str) -> None:
    family = _family(tensors)
    if family is not None:
        raise CheckpointError(f"{source}: is {family}, whose weights do not fit Stable Diffusion 1.5; {REMEDY}")
    if any("lora_" in name or ".lora." in name for name in tensors):
        raise CheckpointError(f"{source}: is a LoRA, not a whole model; name it under model.loras")
    if not any(name.startswith(UNET) for name in tensors):
        raise CheckpointError(
            f"{source}: has no tensors {UNET}*, so it is no model in the original latent-diffusion names; for one in "
            f"diffusers' names give its folder, else {REMEDY}\n{listing('unknown tensors', list(tensors))}"
        )


def _family(tensors: Mapping[str, Tensor]) -> str | None:
    """The family of a file that is not Stable Diffusion 1.5's, if it is recognised; None otherwise."""
    if any(name.startswith(f"{UNET}label_emb.") for name in tensors):
        return KINDS["xl_base"]
    try:
        kind = infer_diffusers_model_type(dict(tensors))
    except (LookupError, UnboundLocalError, ValueError):
        return "of a family that diffusers does not know"
    # Everything that diffusers does not recognise is "v1" to it.
    return None if kind == "v1" else KINDS.get(kind, f"what diffusers calls {kind!r}")


def _is_not_needed(name: str) -> bool:
    return name in NOT_NEEDED or any(name.startswith(each) for each in NOT_NEEDED if each.endswith("."))


def _below(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Names that begin with a prefix, by what follows it."""
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}


def _places(
    names: Mapping[str, str], convert: Callable[[dict[str, Any]], dict[str, Any]], *, prefix: str = ""
) -> dict[str, str]:
    """Each tensor's name in the file by its name in diffusers: one of diffusers' converters, run on the names' numbers.

    Run on numbers it cannot drop a tensor or use one twice unseen.
    """
    full = list(names.values())
    if not full:
        return {}
    numbers = {f"{prefix}{name}": torch.tensor(number) for number, name in enumerate(names)}
    placed = {new: full[int(number)] for new, number in convert(numbers).items() if number is not None}
    assert len(set(placed.values())) == len(placed), "diffusers gave a tensor two places"
    return placed


def _text_name(name: str) -> str:
    # Files of the first hour, and what was merged with them, lack `text_model.`, as transformers' own modules do now.
    return name.removeprefix(TEXT_ENCODER).removeprefix("text_model.")


def _without_pixels(name: str, tensor: Tensor) -> Tensor:
    """A VAE's attention is 1x1 convolutions in the file, linear layers in diffusers."""
    return tensor[:, :, 0, 0] if ".attentions." in name and tensor.ndim == 4 else tensor
