"""Colorization: what a model that was trained on grey photos is given, so that it makes their colours."""

from jaxtyping import Float
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)


def to_gray(photos: Float[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """Luma (ITU-R BT.601, as in JPEG and in Pillow's "L") in all three channels; sRGB in and out."""
    weights = photos.new_tensor(_LUMA).view(3, 1, 1)
    return (photos * weights).sum(dim=-3, keepdim=True).expand_as(photos).clone()
