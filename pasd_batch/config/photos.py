"""Settings of photos as files: what is accepted, and how restored ones are written."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from pasd_batch.config.base import Settings
from pasd_batch.config.storage import LONGEST_WAIT

_MOST_BYTES_A_PIXEL = 160
"""More than any result takes to decode: 16 bits, transparency and a profile, all rows converted at once."""

_FIXED_MIB = 64

Level = Annotated[int, Field(ge=0, le=255)]
"""Of one channel of an sRGB colour."""


class OnDamage(StrEnum):
    """Treatment of a photo that can be decoded, but whose decoder says that it is damaged."""

    WARN = "warn"
    FAIL = "fail"


class DecodeLimits(Settings):
    """Limits of a photo; more is an error for that photo, not for the run."""

    max_pixels: int = Field(default=250_000_000, ge=1)
    """Width x height, read from the header before anything is decoded (a guard against decompression bombs)."""

    max_decoded_mib: int = Field(default=4096, ge=1)
    """MiB that decoding may take at once, the copies on the way to sRGB floats included: estimated from the header
    before anything is decoded. The default holds 12000 x 9000 pixels of any kind, with transparency and a colour
    profile, and 13000 x 13000 of most."""

    max_decode_seconds: float | None = Field(default=60.0, gt=0.0, le=LONGEST_WAIT)
    """Seconds after which decoding is ended (a guard against small files that take minutes); none: never. What is
    sure to be quick is not timed."""

    max_bytes: int = Field(default=1 << 30, ge=1)
    """Size of the file."""

    on_damage: OnDamage = OnDamage.WARN
    """Restore a damaged photo with a warning in its row, or make it a failed row. One that ends too early fails."""

    @classmethod
    def for_result(cls, *, width: int, height: int, nbytes: int) -> Self:
        """Limits that a restored photo of that size is within, however large it is."""
        most = width * height * _MOST_BYTES_A_PIXEL
        return cls(max_pixels=width * height, max_bytes=max(1, nbytes), max_decoded_mib=(most >> 20) + _FIXED_MIB)


class ImageFormat(StrEnum):
    """File format of the restored photos."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    TIFF = "tiff"

    @property
    def suffix(self) -> str:
        """The file name's ending, dot included."""
        return ".jpg" if self is ImageFormat.JPEG else f".{self.value}"


class ChromaSubsampling(StrEnum):
    """Chroma subsampling of JPEG."""

    FULL = "4:4:4"
    HALF = "4:2:2"
    QUARTER = "4:2:0"


_LOSSLESS = (ImageFormat.PNG, ImageFormat.TIFF)

_FORMATS_OF: Mapping[str, tuple[ImageFormat, ...]] = {
    "quality": (ImageFormat.JPEG, ImageFormat.WEBP),
    "subsampling": (ImageFormat.JPEG,),
    "lossless": (ImageFormat.WEBP,),
    "compression": _LOSSLESS,
    "keep_16_bit": _LOSSLESS,
}
"""Formats whose files a setting changes; those that are not named change any, or the report."""


class OutputSettings(Settings):
    """File of a restored photo. 16 bits and transparency are kept where the format has them."""

    format: ImageFormat = ImageFormat.PNG
    """PNG and TIFF are lossless and keep 16 bits; JPEG has no transparency (it is laid over `background`)."""

    quality: int = Field(default=95, ge=1, le=100)
    """JPEG's and lossy WebP's quality."""

    subsampling: ChromaSubsampling = ChromaSubsampling.FULL
    """JPEG's colour resolution."""

    lossless: bool = False
    """WebP without loss."""

    compression: int = Field(default=6, ge=0, le=9)
    """Effort of PNG's and TIFF's lossless compression."""

    keep_16_bit: bool = True
    """Write 16 bits per channel where the photo had more than 8 and the format is PNG or TIFF."""

    background: tuple[Level, Level, Level] = (255, 255, 255)
    """sRGB colour (0-255) behind transparent photos that are written as JPEG."""

    def refuse_unused(self) -> None:
        """Refuse settings that were given though the format has no use for them.

        Settings that are there one and all were written down by a run (`run.json`), and are taken as they are.

        Raises:
            ValueError: naming the setting.
        """
        given = self.model_fields_set
        if given >= type(self).model_fields.keys():
            return
        for name, formats in _FORMATS_OF.items():
            if name in given and self.format not in formats:
                told = " or ".join(each.value for each in formats)
                raise ValueError(
                    f"output.file.{name} is of {told}, and output.file.format is {self.format.value}, so nothing would "
                    f"change; leave it out, or set output.file.format to {formats[0].value} (restore: --format)"
                )
