"""Mask files: white where a photo is restored, black where it is kept."""

import numpy as np
from PIL import Image

from pasd_batch.photos.errors import PhotoError
from pasd_batch.photos.photo import Photo

_LEVELS = 4.0 / 255.0
"""Values this close to black or white count as such: colour profiles and JPEG shift them slightly."""

_ROUNDING = 0.01
"""Largest relative difference of a mask's aspect ratio from its photo's, or one pixel if that is more."""


class UnusableMask(PhotoError):
    """A picture that cannot be its photo's mask; the message has the reason and the remedy."""


def read_mask(mask: Photo, photo: Photo) -> np.ndarray:
    """Weight of the restoration at every pixel of `photo`, float32 (height, width): 0 keeps the photo, 1 restores it.

    Args:
        mask: the decoded mask, of any size in the photo's proportions, upright as its own EXIF says.
        photo: the photo, upright.

    Raises:
        UnusableMask: it is transparent or coloured, or has other proportions.
    """
    if mask.alpha is not None and float(mask.alpha.min()) < 1.0:
        raise UnusableMask(
            "the mask has transparency, which says nothing about where to restore; save it without, white where the "
            "photo is restored and black where it is left"
        )
    if not mask.grayscale and float(np.ptp(mask.pixels, axis=2).max()) > _LEVELS:
        raise UnusableMask(
            "the mask has colours, of which it is not known what they mean; save it as grey, white where the photo is "
            "restored and black where it is left"
        )
    _refuse_other_proportions(mask, photo)
    share = mask.pixels[..., 1]
    share = np.where(share <= _LEVELS, 0.0, np.where(share >= 1.0 - _LEVELS, 1.0, share)).astype(np.float32)
    return _scaled(share, height=photo.height, width=photo.width)


def _refuse_other_proportions(mask: Photo, photo: Photo) -> None:
    if _is_scaled(mask.height, mask.width, photo.height, photo.width):
        return
    turned = ""
    if photo.metadata.is_turned and _is_scaled(mask.width, mask.height, photo.height, photo.width):
        turned = "the photo is turned as its EXIF orientation says, and the mask is not; turn it likewise: "
    raise UnusableMask(
        f"{turned}the mask is {mask.width}x{mask.height}, which are not the proportions of the photo's "
        f"{photo.width}x{photo.height}; make it of the whole photo, as it is seen, in any size"
    )


def _is_scaled(height: int, width: int, photo_height: int, photo_width: int) -> bool:
    """True if the first size is the photo's, scaled and rounded."""
    tall, wide = width * photo_height / photo_width, height * photo_width / photo_height
    return abs(height - tall) <= max(1.0, _ROUNDING * tall) or abs(width - wide) <= max(1.0, _ROUNDING * wide)


def _scaled(share: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """The mask at another size; black where the place that a pixel's middle lies in is black."""
    if share.shape == (height, width):
        return share
    rows = np.minimum((np.arange(height) + 0.5) * share.shape[0] / height, share.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(width) + 0.5) * share.shape[1] / width, share.shape[1] - 1).astype(int)
    scaled = np.asarray(Image.fromarray(share).resize((width, height), Image.Resampling.BILINEAR))
    return np.where(share[np.ix_(rows, columns)] == 0.0, np.float32(0.0), np.clip(scaled, 0.0, 1.0))
