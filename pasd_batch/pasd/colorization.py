"""Colorization: grey input, prompt and colour fix for models that were trained on grey photos."""

import re

from jaxtyping import Float
from torch import Tensor

from pasd_batch.luma import BT601

_BLACK_AND_WHITE = re.compile(r"black[ -]and[ -]white", re.IGNORECASE)


def to_gray(photos: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """Luma (ITU-R BT.601, as in JPEG and in Pillow's "L") in all three channels; sRGB in and out."""
    weights = photos.new_tensor(BT601).view(3, 1, 1)
    return (photos * weights).sum(dim=-3, keepdim=True).expand_as(photos).clone()


def with_luma(
    colored: Float[Tensor, "*batch 3 height width"], source: Float[Tensor, "*batch 3 height width"]
) -> Float[Tensor, "*batch 3 height width"]:
    """The source's luma with the chroma of `colored`; sRGB in [0, 1] in, not clamped out.

    As the released colorization does in YUV: there, another luma is the same amount more of all three colours.
    """
    return colored - to_gray(colored) + to_gray(source)


def color_prompt(prompt: str) -> str:
    """Replace "black and white" by "color" in a prompt, such as a caption of the grey photo."""
    return _BLACK_AND_WHITE.sub("color", prompt)
