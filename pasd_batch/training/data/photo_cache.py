"""LRU cache of decoded training photos: decoding a large photo takes longer than everything else of a sample."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class DecodedPhoto:
    """A photo's pixels, sRGB in [0, 1], its name in the training set and its caption."""

    name: str
    pixels: Float[Tensor, "3 height width"]
    caption: str

    @property
    def bytes(self) -> int:
        """Memory of the pixels."""
        return self.pixels.numel() * self.pixels.element_size()


class PhotoCache:
    """Decoded photos by row, up to `most_bytes`; the least recently used are dropped."""

    def __init__(self, decode: Callable[[int], DecodedPhoto], most_bytes: int) -> None:
        self._decode = decode
        self._most_bytes = most_bytes
        self._kept: OrderedDict[int, DecodedPhoto] = OrderedDict()
        self._bytes = 0

    def photo(self, row: int) -> DecodedPhoto:
        """The photo of a row; raises what decoding it raises."""
        photo = self._kept.pop(row, None)
        if photo is None:
            photo = self._decode(row)
            self._bytes += photo.bytes
        self._kept[row] = photo
        while self._kept and self._bytes > self._most_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].bytes
        return photo
