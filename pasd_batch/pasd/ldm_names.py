"""Names of a UNet's layers in the original latent diffusion (LDM) code, which some LoRAs use: `input_blocks.4.1...`.

There the blocks of encoder or decoder are one list, three per level: two resnets with attention, and a resampler
(CompVis/latent-diffusion, ldm/modules/diffusionmodules/openaimodel.py).
"""

from collections.abc import Iterator

_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_out": "out.2",
}
_RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_BLOCKS_A_LEVEL = 3


def ldm_paths(path: str) -> Iterator[str]:
    """LDM paths of a UNet's layer; an upsampler has two candidates, as its index depends on the level's attention."""
    if path in _ENDS:
        yield _ENDS[path]
        return
    way, *rest = path.split(".")
    if way == "mid_block":
        kind, number, *inner = rest
        places = [f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}"]
    elif way in ("down_blocks", "up_blocks"):
        level, kind, number, *inner = rest
        places = _places(way, kind, _BLOCKS_A_LEVEL * int(level), int(number))
    else:
        return
    if kind == "resnets":
        inner = [_RESNET.get(name, name) for name in inner]
    elif kind == "downsamplers":
        inner = ["op"]
    for place in places:
        yield ".".join([place, *inner])


def _places(way: str, kind: str, first: int, number: int) -> list[str]:
    side, shift = ("input_blocks", 1) if way == "down_blocks" else ("output_blocks", 0)
    match kind:
        case "resnets":
            return [f"{side}.{first + number + shift}.0"]
        case "attentions":
            return [f"{side}.{first + number + shift}.1"]
        case "downsamplers":
            return [f"{side}.{first + _BLOCKS_A_LEVEL}.0"]
        case _:
            return [f"{side}.{first + _BLOCKS_A_LEVEL - 1}.{place}" for place in (1, 2)]
