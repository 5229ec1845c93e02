"""Errors of reading and writing photos, one class per remedy.

Faults of a photo that can still be used are warnings: sentences passed to a `Warn`.
"""

from collections.abc import Callable

from pasd_batch.errors import PasdBatchError

Warn = Callable[[str], None]
"""Takes a sentence about what was left out, repaired or guessed; it is stored in the row's `warnings`."""


_EACH_IS_A_PHOTO = "with `pages: every` (`--pages every`) each is a photo"


def warn_of_other_pages(pages: int, page: int | None, what: str, warn: Warn) -> None:
    """Warn that all but the first of the file's `pages`, called `what`, are left out, unless a `page` is asked for.

    Raises:
        NoSuchPage: it is not there.
    """
    if page is not None and page > pages:
        raise NoSuchPage.of(page, pages)
    if page is None and pages > 1:
        warn(f"the file has {pages} {what}, of which only the first is taken; {_EACH_IS_A_PHOTO}")


def warning_beside(name: str, message: str) -> str:
    """A warning about a picture that a photo has beside it, a `name` such as mask, with what to do about that one.

    Of masks and references only the first page is ever taken.
    """
    other = "save the one that is meant as a file of its own, and name that"
    return f"{name}: {message.replace(_EACH_IS_A_PHOTO, other)}"


class PhotoError(PasdBatchError):
    """A photo that cannot be used; the message says why and what to do."""


class EmptyPhoto(PhotoError):
    """The file has no bytes."""


class PhotoTooLarge(PhotoError):
    """The file has more bytes, or the photo more pixels, than allowed."""


class UnsupportedPhoto(PhotoError):
    """Not an image, or of a kind that is not read here."""


class NoSuchPage(PhotoError):
    """The file has fewer pages than the one that is asked for."""

    @classmethod
    def of(cls, page: int, pages: int) -> "NoSuchPage":
        """The error about page number `page` of a file with `pages` pages."""
        return cls(
            f"page {page} is asked for, and the file has {pages}; mend its row in the manifest, or list the pages anew"
        )


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
