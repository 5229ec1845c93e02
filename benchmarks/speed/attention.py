"""Self-attention at each level of the networks, by the kernels that torch can choose from."""

from collections.abc import Iterator

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from pasd_batch.pasd.models import Models
from speed.rows import Row
from speed.timing import typical

_REPEATS = 10
_CALLS = 8
"""Calls in a timing, so that the time of one launch does not count."""

_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "memory efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def attention_rows(models: Models, side: int, tiles: int) -> Iterator[Row]:
    """Levels of the UNet that have attention, guided, seconds a tile; `side` in latent pixels.

    Kernels that refuse a shape, or this device, are named beside torch's own choice.
    """
    config = models.unet.config
    heads = config["attention_head_dim"]
    heads = heads if isinstance(heads, int) else heads[0]
    for level, kind in enumerate(config["down_block_types"]):
        if not kind.startswith("CrossAttn"):
            continue
        channels = config["block_out_channels"][level]
        shape = (2 * tiles, heads, (side >> level) ** 2, channels // heads)
        yield from _rows(torch.randn(3, *shape, device=models.device, dtype=models.dtype), tiles)


def _rows(inputs: torch.Tensor, tiles: int) -> Iterator[Row]:
    query, key, value = inputs
    batch, heads, tokens, size = query.shape
    case = f"attention, {tokens} tokens, {heads} heads of {size}"
    teraflops = 4.0 * batch * heads * tokens**2 * size / 1e12
    refused = []

    def attend() -> None:
        with torch.inference_mode():
            for _ in range(_CALLS):
                scaled_dot_product_attention(query, key, value)

    for name, backend in _BACKENDS.items():
        try:
            with sdpa_kernel(backend):
                seconds = typical(attend, inputs.device, repeats=_REPEATS) / _CALLS
        except RuntimeError:
            refused.append(name)
        else:
            yield Row(case, name, tiles, seconds / tiles, teraflops=teraflops / seconds)
    seconds = typical(attend, inputs.device, repeats=_REPEATS) / _CALLS
    beside = f"refused: {', '.join(refused)}" if refused else ""
    yield Row(case, "torch's choice", tiles, seconds / tiles, teraflops=teraflops / seconds, beside=beside)
