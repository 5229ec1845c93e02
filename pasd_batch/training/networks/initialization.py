"""Initial networks of a PASD training: from a Stable Diffusion base, a trained PASD, or from scratch."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_never, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.training_model import (
    FromPasd,
    FromRealEsrgan,
    FromScratch,
    FromStableDiffusion,
    ModelStart,
    NoiseScheduleSettings,
)
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.checkpoint import (
    initialise_control_branch,
    initialise_unet,
    is_paca,
    load_base,
    load_control_branch,
    load_unet,
    load_vae,
    schedule_of,
)
from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.degradation_removal import ESRGAN_FEATURES
from pasd_batch.pasd.encoder import TEXT_DOWN_BLOCK
from pasd_batch.pasd.esrgan_vae import EsrganVae
from pasd_batch.pasd.paca import PixelAwareTransformer, PixelAwareTransformerBlock
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.pasd.unet import TEXT_UP_BLOCK, PixelAwareUNet
from pasd_batch.pasd.untrained import SCHEDULER_CONFIG, Architecture, build_text_encoder, save_byte_tokenizer
from pasd_batch.training.errors import TrainingError

_PLAIN_DOWN_BLOCK, _PLAIN_UP_BLOCK = "DownBlock2D", "UpBlock2D"


@dataclass(frozen=True)
class TrainingNetworks:
    """All networks of a PASD in float32, and what belongs to them."""

    unet: PixelAwareUNet
    control_branch: ControlBranch
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler_config: dict[str, Any]
    """Noise schedule and `prediction_type`, for training and sampling."""

    carries_base: bool
    """True if the trained model's folder must have the base's parts as well."""

    drawn: Callable[[str], bool]
    """True if a parameter (`unet...`, `control_branch...`) was initialised from the seed rather than read."""

    @property
    def alphas_cumprod(self) -> Float[Tensor, " steps"]:
        """abar of every timestep."""
        return cast(Any, DDPMScheduler.from_config(self.scheduler_config)).alphas_cumprod


def initial_networks(start: ModelStart, prediction: PredictionType | None, *, seed: int) -> TrainingNetworks:
    """Load or initialise the networks on the CPU.

    Args:
        start: where they come from.
        prediction: what the denoiser learns to predict; none: what the start's schedule says.
        seed: fresh weights come from it.

    Raises:
        CheckpointError: a folder is missing, or does not hold what it should.
        TrainingError: the noise would be predicted from pure noise.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match start:
            case FromStableDiffusion():
                networks = _from_stable_diffusion(start)
            case FromPasd():
                networks = _from_pasd(start)
            case FromScratch():
                networks = _from_scratch(
                    start, load_trained_vae(local_path(start.vae) / "vae"), start.branch.model_dump()
                )
            case FromRealEsrgan():
                networks = _from_scratch(start, _esrgan_vae(start.latent_channels), {"rrdb_blocks": len(start.blocks)})
            case _:
                assert_never(start)
    _set_prediction_type(networks.scheduler_config, prediction)
    for network in (networks.unet, networks.control_branch, networks.vae, networks.text_encoder):
        nn.Module.to(network, torch.float32)
        network.eval()
    return networks


def zero_paca(unet: PixelAwareUNet) -> None:
    """Zero the output projection of every PACA layer, for the ablation without it; it must not be trained."""
    for module in unet.modules():
        last = None
        if isinstance(module, PixelAwareTransformer):
            last = module.proj_out
        elif isinstance(module, PixelAwareTransformerBlock):
            last = cast(nn.ModuleList, module.attn2_plus.to_out)[0]
        if last is not None:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)


def _from_stable_diffusion(start: FromStableDiffusion) -> TrainingNetworks:
    folder = local_path(start.base)
    base = load_base(folder, allow_pickle=start.allow_pickle)
    unet = initialise_unet(folder / "unet", start.paca.value, allow_pickle=start.allow_pickle)
    return TrainingNetworks(
        unet=unet,
        control_branch=initialise_control_branch(unet, **start.branch.model_dump()),
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        scheduler_config=_with_schedule(base.scheduler_config, start.schedule),
        carries_base=False,
        drawn=lambda name: name.startswith("control_branch.") or is_paca(name),
    )


def _from_pasd(start: FromPasd) -> TrainingNetworks:
    control = local_path(start.control)
    base = load_base(local_path(start.base), allow_pickle=start.allow_pickle)
    return TrainingNetworks(
        unet=load_unet(control / "unet", allow_pickle=start.allow_pickle),
        control_branch=load_control_branch(control / "controlnet", allow_pickle=start.allow_pickle),
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        scheduler_config=_with_schedule(schedule_of(control, base), start.schedule),
        carries_base=start.carries_base,
        drawn=lambda _: False,
    )


def _from_scratch(
    start: FromScratch | FromRealEsrgan, vae: AutoencoderKL, branch: Mapping[str, Any]
) -> TrainingNetworks:
    tokenizer = _byte_tokenizer()
    sizes, text_width = start.unet, start.text_encoder.width
    unet = _unet_from_scratch(start, vae.config["latent_channels"])
    text_encoder = Architecture(
        unet_widths=sizes.widths,
        embedding_widths=(),
        vae_widths=(),
        text_width=text_width,
        text_layers=start.text_encoder.layers,
        heads=sizes.heads,
        norm_groups=sizes.norm_groups,
    )
    return TrainingNetworks(
        unet=unet,
        control_branch=initialise_control_branch(unet, **branch),
        vae=vae,
        text_encoder=build_text_encoder(text_encoder, tokenizer),
        tokenizer=tokenizer,
        scheduler_config=_with_schedule(SCHEDULER_CONFIG, start.schedule),
        carries_base=True,
        drawn=lambda name: isinstance(start, FromRealEsrgan) or not name.startswith("vae."),
    )


def _unet_from_scratch(start: FromScratch | FromRealEsrgan, channels: int) -> PixelAwareUNet:
    sizes = start.unet
    return PixelAwareUNet(
        paca=start.paca.value,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=sizes.widths,
        down_block_types=[TEXT_DOWN_BLOCK if text else _PLAIN_DOWN_BLOCK for text in sizes.text_attention],
        up_block_types=[TEXT_UP_BLOCK if text else _PLAIN_UP_BLOCK for text in reversed(sizes.text_attention)],
        layers_per_block=sizes.layers_per_block,
        norm_num_groups=sizes.norm_groups,
        attention_head_dim=sizes.heads,
        cross_attention_dim=start.text_encoder.width,
    )


def _esrgan_vae(latent_channels: int) -> EsrganVae:
    levels = 4
    return cast(Any, EsrganVae)(
        latent_channels=latent_channels,
        block_out_channels=[ESRGAN_FEATURES] * levels,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        scaling_factor=1.0,
    )


def load_trained_vae(folder: Path) -> AutoencoderKL:
    """Load a `vae/` folder on the CPU, in float32.

    Raises:
        CheckpointError: it is not there, or does not fit.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no such VAE; train one first (trains: vae)")
    return load_vae(folder).float().eval()


def _set_prediction_type(schedule: dict[str, Any], prediction: PredictionType | None) -> None:
    """Set the schedule's `prediction_type`: the one asked for, else its own, else epsilon."""
    settled = prediction or PredictionType(schedule.get("prediction_type", PredictionType.EPSILON))
    if schedule.get("rescale_betas_zero_snr") and settled is PredictionType.EPSILON:
        raise TrainingError(
            "the schedule ends in pure noise (rescale_betas_zero_snr), where the noise says nothing of the photo; set "
            "losses.prediction_type: v_prediction"
        )
    schedule["prediction_type"] = settled.value


def _with_schedule(config: dict[str, Any], schedule: NoiseScheduleSettings | None) -> dict[str, Any]:
    # A schedule given beta by beta would override the one that is asked for.
    own = {} if schedule is None else {**schedule.model_dump(mode="json"), "trained_betas": None}
    return json.loads(json.dumps({**config, **own}))


def _byte_tokenizer() -> CLIPTokenizer:
    with TemporaryDirectory() as folder:
        return save_byte_tokenizer(Path(folder))
