"""One call of control branch and UNet: launched kernel by kernel, as a CUDA graph, by kernels."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pasd_batch.pasd.cuda_graphs import NetworkGraphs, cuda_graphs
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch
from pasd_batch.pasd.models import Models
from speed.kernels import kernels_by_kind
from speed.rows import Row
from speed.timing import peak_memory, typical

_REPEATS = 5


def random_tiles(models: Models, tiles: int, side: int, *, guided: bool) -> TileBatch:
    """Inputs of a call, where the networks run; `side` in latent pixels."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, device=models.device, dtype=models.dtype)

    config = models.unet.config
    text = (tiles, 77, config["cross_attention_dim"])
    return TileBatch(
        latents=draw(tiles, config["in_channels"], side, side),
        embeddings=draw(tiles, config["block_out_channels"][0], side, side),
        prompts=draw(*text),
        negative_prompts=draw(*text) if guided else None,
    )


def call_of(
    models: Models, tiles: int, side: int, *, guided: bool = True, graphs: NetworkGraphs | None = None
) -> Callable[[], Tensor]:
    """A call on random tiles at one timestep, the same tiles every time."""
    denoiser = GuidedDenoiser(models.unet, models.control_branch, Guidance(9.0 if guided else 1.0), graphs)
    torch.manual_seed(0)
    batch = random_tiles(models, tiles, side, guided=guided)
    timestep = torch.tensor(500, device=models.device)

    def call() -> Tensor:
        with torch.inference_mode():
            return denoiser(batch, timestep)

    return call


def call_teraflop(models: Models, side: int, *, guided: bool) -> float:
    """Arithmetic of one tile's call, in 10^12 operations."""
    call = call_of(models, 1, side, guided=guided)
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e12


def call_rows(models: Models, side: int, tiles: int, setting: str = "") -> Iterator[Row]:
    """A call launched kernel by kernel and, on a GPU, the same kernels as a graph."""
    teraflop = call_teraflop(models, side, guided=True)
    eager = call_of(models, tiles, side)
    ways = {"eager": eager}
    if (graphs := cuda_graphs(models.device)) is not None:
        ways["graph"] = call_of(models, tiles, side, graphs=graphs)
        # The first call only notes the shape.
        ways["graph"]()
    for way, action in ways.items():
        memory = peak_memory(action, models.device)
        seconds = typical(action, models.device, repeats=_REPEATS) / tiles
        beside = f"{seconds * tiles * 1000:.1f} ms a call"
        if way == "graph":
            beside += ", the same bits" if torch.equal(action(), eager()) else ", other bits"
        yield Row(f"a call, {side}x{side} latents", way + setting, tiles, seconds, teraflop / seconds, memory, beside)
    if graphs is not None:
        graphs.release()


def kernel_rows(models: Models, side: int, tiles: int, setting: str = "") -> Iterator[Row]:
    """Time of a call's kernels by kind."""
    kinds = kernels_by_kind(call_of(models, tiles, side), models.device)
    total = sum(kind.seconds for kind in kinds.values())
    for name, kind in kinds.items():
        largest = sorted(kind.largest.items(), key=lambda item: -item[1])[:12]
        beside = f"{kind.seconds / total:.0%} of the kernels' time, {kind.launches} launches"
        case = f"kernels of a call, {side}x{side} latents"
        yield Row(case, name + setting, tiles, kind.seconds / tiles, beside=beside, details=dict(largest))
