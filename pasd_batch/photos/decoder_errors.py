"""Translation of decoders' exceptions into photo errors that name the fault and the remedy."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pasd_batch.config.photos import DecodeLimits, OnDamage
from pasd_batch.photos.color_profile import UnusableProfile
from pasd_batch.photos.errors import CorruptPhoto, PhotoError, TruncatedPhoto, UnsupportedPhoto, Warn
from pasd_batch.photos.formats import SourceFormat

_ENDS_EARLY = ("truncated", "too small", "premature", "unexpected end", "end of file", "corrupted strip", "not enough")

_NOT_READ = ("unsupported", "not supported", "not implemented")
_OF_PYTHON = (LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, UnicodeError, struct.error)
_PYTHON_SAYS = (" at 0x", "invalid literal", "broadcast", "unpack", "shape", "range(", "codec can't", "truth value")
_FUNCTION = re.compile(r"^\w+\(\): ")
_CONTRADICTION = "what its header says contradicts itself or the rest of the file"


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
    """The error for what a decoder raised: `TruncatedPhoto` or `UnsupportedPhoto` if it says so, or `CorruptPhoto`."""
    reason = decoder_reason(error)
    if any(words in str(error).lower() for words in _NOT_READ):
        return UnsupportedPhoto(f"a {kind} of a variant that is not read ({reason}); save the photo as PNG")
    if isinstance(error, EOFError) or any(words in str(error).lower() for words in _ENDS_EARLY):
        return TruncatedPhoto(f"the {kind} file ends before the photo does ({reason}); fetch it again")
    return CorruptPhoto(f"the {kind} file is damaged ({reason}); fetch it again, or save it anew")


def decoder_reason(error: Exception) -> str:
    """Complaint of a decoder, in its own words if they are about the file and not about Python's objects."""
    text = _FUNCTION.sub("", " ".join(str(error).split()))
    is_of_python = isinstance(error, _OF_PYTHON) or any(words in text for words in _PYTHON_SAYS)
    return _CONTRADICTION if is_of_python or not text else text


def warn_of_damage(sentence: str, limits: DecodeLimits, warn: Warn) -> None:
    """Warn of damage that the photo survives, or refuse the photo, as `limits.on_damage` says.

    Raises:
        CorruptPhoto: damaged photos are refused.
    """
    if limits.on_damage is OnDamage.FAIL:
        raise CorruptPhoto(f"{sentence}; fetch it again, or set limits.on_damage to warn")
    warn(sentence)
