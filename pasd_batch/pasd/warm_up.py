"""Compilation before the first photo: a call of the networks with a batch of whole tiles, the commonest shape."""

import logging

import torch

from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch
from pasd_batch.pasd.memory import MemoryLimits, is_out_of_memory
from pasd_batch.pasd.models import Models

logger = logging.getLogger(__name__)


@torch.inference_mode()
def warm_up(models: Models, guidance: Guidance, limits: MemoryLimits) -> None:
    """Call the networks once with as many tiles of the largest size as go together, so that their blocks are compiled.

    If memory is full, the networks are compiled with the first photos instead.
    """
    tiles, side = limits.tile_batch, limits.tile_size

    def empty(*shape: int) -> torch.Tensor:
        return torch.zeros(tiles, *shape, device=models.device, dtype=models.dtype)

    unet = models.unet.config
    words = models.prompt_encoder.encode("").to(models.device, models.dtype).expand(tiles, -1, -1)
    batch = TileBatch(
        latents=empty(unet["in_channels"], side, side),
        embeddings=empty(unet["block_out_channels"][0], side, side),
        prompts=words,
        negative_prompts=words if guidance.is_active else None,
    )
    try:
        GuidedDenoiser(models.unet, models.control_branch, guidance)(batch, 0)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("the networks are compiled with the first photos: %s do not fit into memory", limits)
