"""Decoders' exceptions as photo errors, which say what is wrong with the file and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from pasd_batch.config.photos import DecodeLimits, OnDamage
from pasd_batch.data.color_profile import UnusableProfile
from pasd_batch.data.photo_errors import CorruptPhoto, PhotoError, TruncatedPhoto, Warn
from pasd_batch.data.photo_format import SourceFormat

_ENDS_EARLY = ("truncated", "too small", "premature", "unexpected end", "end of file", "corrupted strip", "not enough")


@contextmanager
def as_photo_errors(kind: SourceFormat) -> Iterator[None]:
    """Raise whatever a decoder raises as a `PhotoError`."""
    try:
        yield
    except (PhotoError, UnusableProfile, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (decoders raise almost anything on hostile files)
        raise photo_error(error, kind) from None


def photo_error(error: Exception, kind: SourceFormat) -> PhotoError:
    """The error for what a decoder raised: `TruncatedPhoto` if it says so, else `CorruptPhoto`."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, EOFError) or any(words in text.lower() for words in _ENDS_EARLY):
        return TruncatedPhoto(f"the {kind} file ends before the photo does ({text}); fetch it again")
    return CorruptPhoto(f"the {kind} file is damaged ({text}); fetch it again, or save it anew")


def tell_damage(sentence: str, limits: DecodeLimits, warn: Warn) -> None:
    """Warn of damage that leaves a photo to look at, or refuse the photo, as `limits.on_damage` says.

    Raises:
        CorruptPhoto: damaged photos are refused.
    """
    if limits.on_damage is OnDamage.FAIL:
        raise CorruptPhoto(f"{sentence}; fetch it again, or set limits.on_damage to warn")
    warn(sentence)
