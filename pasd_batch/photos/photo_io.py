"""Photos in and out: `decode_photo` -> the model -> `with_restored_image` -> `encode_photo`."""

from pasd_batch.photos.decode import decode_photo
from pasd_batch.photos.decoding_process import PhotoDecoder
from pasd_batch.photos.encode import encode_photo
from pasd_batch.photos.errors import (
    CorruptPhoto,
    DecoderCrashed,
    EmptyPhoto,
    PhotoError,
    PhotoNotWritable,
    PhotoTooLarge,
    PhotoTooSlow,
    TruncatedPhoto,
    UnsupportedPhoto,
)
from pasd_batch.photos.photo import (
    Photo,
    PhotoMetadata,
    scale_alpha,
    to_tensor,
    with_restored_image,
    with_restored_pixels,
)
from pasd_batch.photos.xmp import RestorationMarker

__all__ = [
    "CorruptPhoto",
    "DecoderCrashed",
    "EmptyPhoto",
    "Photo",
    "PhotoDecoder",
    "PhotoError",
    "PhotoMetadata",
    "PhotoNotWritable",
    "PhotoTooLarge",
    "PhotoTooSlow",
    "RestorationMarker",
    "TruncatedPhoto",
    "UnsupportedPhoto",
    "decode_photo",
    "encode_photo",
    "scale_alpha",
    "to_tensor",
    "with_restored_image",
    "with_restored_pixels",
]
