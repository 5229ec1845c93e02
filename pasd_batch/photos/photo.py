"""A decoded photo: sRGB pixels for the model, and the alpha, depth, metadata and colours that the result keeps."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pasd_batch.luma import BT709
from pasd_batch.photos.compact import WHITE_LEVEL, from_float, to_float
from pasd_batch.photos.resolution import Resolution
from pasd_batch.photos.row_bands import row_bands
from pasd_batch.photos.texts import Text
from pasd_batch.records import StoredForm

if TYPE_CHECKING:
    from torch import Tensor

GRAY_BACKGROUND = 0.5
"""Grey (sRGB) over which transparent photos are composited for scoring: input, result and reference alike."""

_SAME_COLOR, _NEW_COLOR = 0.1, 0.3  # largest change of a channel of a kept colour, smallest of a replaced one


class ColorSource(StrEnum):
    """Source of a photo's colours, as they were taken."""

    PROFILE = "profile"
    IGNORED = "ignored"
    """An ICC profile that cannot be used; colours are taken for sRGB."""
    STATED = "stated"
    """Codes of ITU-T H.273, PNG's chunks, or a camera's Adobe RGB."""
    CONVERTED = "converted"
    """Inks or CIELAB, converted with a profile or without one."""
    NONE = "none"
    """The file says nothing; colours are taken for sRGB."""


@dataclass(frozen=True)
class PhotoMetadata:
    """Metadata of a photo, ready to be written into another file.

    `exif` starts with `Exif\\0\\0` and holds neither orientation, thumbnail nor tags about the file's structure;
    `xmp` is a whole packet, `iptc` an IIM record, `icc` the source's profile as it was. What `exif` and `xmp` say in
    pixels is about a photo of `size` (width and height, upright; None if unknown), before it was turned as
    `orientation` says, EXIF's 1 (upright) to 8. `colors` is where the pixels' colours are from.
    """

    source_format: str
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    icc: bytes | None = None
    resolution: Resolution | None = None
    texts: tuple[Text, ...] = ()
    size: tuple[int, int] | None = None
    orientation: int = 1
    colors: ColorSource = ColorSource.NONE

    @property
    def is_turned(self) -> bool:
        """True if decoding rotated or mirrored the photo."""
        return self.orientation != 1


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright.

    Attributes:
        pixels: (height, width, 3), RGB, sRGB: float32 in [0, 1]; of a large photo in a worker uint8 or uint16.
        alpha: float32 (height, width) in [0, 1], not multiplied into `pixels`; None if the file has none. Where it
            hides colours, `pixels` has those of the visible edge.
        bit_depth: 8, or 16 if the source had more than 8 bits per channel, which are worked with and written.
        grayscale: the source's channels are all equal, or it has but one.
        metadata: what the file carries besides pixels.
        out_of_gamut: float16 (height, width, 3), residual of colours outside sRGB: it is added to `pixels` once these
            are converted to the profile's space; None if all colours are in gamut.
        warnings: what was wrong with the file or left out of it, a sentence each; usually none.
        form: the form in which the file had it; None for a photo that is from none.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    bit_depth: int
    grayscale: bool
    metadata: PhotoMetadata
    out_of_gamut: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    form: StoredForm | None = None

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory that colours and transparency take."""
        return sum(part.nbytes for part in (self.pixels, self.alpha, self.out_of_gamut) if part is not None)

    def composited(self, background: float | np.ndarray = GRAY_BACKGROUND) -> np.ndarray:
        """The pixels composited over a plain background (sRGB); scores use the default, grey."""
        return self.pixels if self.alpha is None else composite_over(to_float(self.pixels), self.alpha, background)


def with_restored_pixels(photo: Photo, pixels: np.ndarray, *, colorized: bool = False) -> Photo:
    """Replace a photo's pixels, at any size: alpha is resized, a grey photo stays grey unless `colorized`.

    Out-of-gamut residuals are kept where a channel changes by up to 0.1, and fade to nothing at a change of 0.3.
    `pixels` is (height, width, 3), sRGB: float, which is clipped to [0, 1], or uint8 or uint16.
    """
    if pixels.dtype not in WHITE_LEVEL:
        pixels = np.ascontiguousarray(np.clip(np.asarray(pixels, dtype=np.float32), 0.0, 1.0))
    grayscale = photo.grayscale and not colorized
    if grayscale:
        pixels = _gray(pixels)
    alpha = photo.alpha
    if alpha is not None:
        alpha = scale_alpha(alpha, height=pixels.shape[0], width=pixels.shape[1])
    out_of_gamut = None if grayscale or colorized else _remaining_out_of_gamut(photo, pixels)
    return replace(photo, pixels=pixels, alpha=alpha, grayscale=grayscale, out_of_gamut=out_of_gamut)


def _gray(pixels: np.ndarray) -> np.ndarray:
    """Luma in all three channels, in the pixels' type."""
    gray, weights = np.empty_like(pixels), np.asarray(BT709, np.float32)
    for rows in row_bands(pixels):
        gray[rows] = from_float(to_float(pixels[rows]) @ weights, pixels.dtype)[..., np.newaxis]
    return gray


def _remaining_out_of_gamut(photo: Photo, pixels: np.ndarray) -> np.ndarray | None:
    """Out-of-gamut residuals of `photo`, resized to `pixels` and weighted by how little these have changed."""
    if photo.out_of_gamut is None:
        return None
    height, width = pixels.shape[:2]
    changed = np.zeros((height, width), np.float32)
    for channel in range(3):
        before = _scaled(to_float(photo.pixels[..., channel]), height=height, width=width)
        np.maximum(changed, np.abs(to_float(pixels[..., channel]) - before), out=changed)
    share = np.clip((_NEW_COLOR - changed) / (_NEW_COLOR - _SAME_COLOR), 0.0, 1.0)
    out_of_gamut = np.empty(pixels.shape, np.float16)
    for channel in range(3):
        out_of_gamut[..., channel] = share * _scaled(photo.out_of_gamut[..., channel], height=height, width=width)
    return out_of_gamut


def _scaled(channel: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """A channel (height, width) as float32 at another size, without overshoots."""
    if channel.shape == (height, width):
        return channel.astype(np.float32)
    image = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def composite_over(pixels: np.ndarray, alpha: np.ndarray, background: float | np.ndarray) -> np.ndarray:
    """Composite pixels (height, width, 3) by `alpha` (height, width) over a plain colour, in sRGB as viewers do."""
    opacity = alpha[..., np.newaxis]
    return pixels * opacity + np.asarray(background, dtype=np.float32) * (1.0 - opacity)


def scale_alpha(alpha: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Transparency (height, width) in [0, 1] at another size, by Lanczos resampling."""
    if alpha.shape == (height, width):
        return alpha
    image = Image.fromarray(np.ascontiguousarray(alpha, dtype=np.float32))
    scaled = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(scaled, dtype=np.float32), 0.0, 1.0)


def to_tensor(photo: Photo) -> "Tensor":
    """The pixels as the model takes them: CPU tensor (3, height, width), sRGB: float32 in [0, 1], uint8 or uint16."""
    import torch

    pixels = photo.pixels.transpose(2, 0, 1)
    return torch.from_numpy(pixels if photo.pixels.dtype in WHITE_LEVEL else np.ascontiguousarray(pixels))


def with_restored_image(photo: Photo, image: "Tensor", *, colorized: bool = False) -> Photo:
    """`with_restored_pixels` for a tensor (3, height, width), sRGB, as the model gives it."""
    pixels = image.detach().cpu()
    pixels = (pixels.float() if pixels.is_floating_point() else pixels).numpy().transpose(1, 2, 0)
    return with_restored_pixels(photo, pixels, colorized=colorized)
