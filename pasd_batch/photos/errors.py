"""Errors of reading and writing photos; one class for each thing that a person would do about it.

What is wrong with a photo that can be used all the same is no error but a warning, a sentence told to a `Warn`.
"""

from collections.abc import Callable

from pasd_batch.errors import PasdBatchError

Warn = Callable[[str], None]
"""Takes a sentence for a person about what was left out, repaired or guessed; it ends in a row's `warnings`."""


def animation_warning(count: int) -> str:
    """The warning about all but the first picture of an animation of `count`."""
    return f"the file is an animation of {count} pictures, of which only the first is restored"


class PhotoError(PasdBatchError):
    """A photo that cannot be used; the message says why and what to do."""


class EmptyPhoto(PhotoError):
    """The file has no bytes."""


class PhotoTooLarge(PhotoError):
    """The file has more bytes, or the photo more pixels, than allowed."""


class UnsupportedPhoto(PhotoError):
    """Not an image, or of a kind that is not read here."""


class TruncatedPhoto(PhotoError):
    """The file ends before the photo does."""


class CorruptPhoto(PhotoError):
    """The file is damaged, or breaks its format's rules."""


class PhotoTooSlow(PhotoError):
    """Decoding the photo takes longer than allowed."""


class DecoderCrashed(PhotoError):
    """The process that decoded the photo died of it."""


class PhotoNotWritable(PhotoError):
    """The output format cannot hold the photo, or its pixels are not numbers."""
