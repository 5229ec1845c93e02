"""Memory of decoding a photo: the codec's buffers, the samples, and their copies up to float32 sRGB.

Tests measure the bytes per pixel, format by format.
"""

from dataclasses import dataclass, replace

from pasd_batch.photos.row_bands import BAND_ROWS

_FLOAT = 4

_BAND_BYTES, _FILLED_BAND_BYTES = 100, 50
"""Bytes per pixel of a band of rows being converted (64-bit floats, linear light) or filled (hidden colours)."""

_OUT_OF_GAMUT_BYTES = 6
"""Bytes per pixel of the out-of-gamut residual, which a profile may cause."""

_KEPT_SHARE, _KEPT_BYTES = 6, 32 << 20
"""Bytes a pixel that a codec has freed but the process may keep: blocks of up to 32 MiB, glibc's M_MMAP_THRESHOLD."""

_FIXED_BYTES = 4 << 20

_QUICK_PIXELS = 400_000_000
_QUICK_BYTES = 1 << 30


@dataclass(frozen=True)
class DecodingCost:
    """Cost of decoding a photo.

    Attributes:
        width: in pixels, as stored.
        height: in pixels, as stored.
        nbytes: peak memory beside the file's own bytes.
        work: pixels that the decoder visits, counted once per pass (scan) over them.
        is_bounded: the header limits what the decoder writes. Decoders of AVIF, HEIC and JPEG in TIFF go by the streams
            inside instead, which may be larger.
    """

    width: int
    height: int
    nbytes: int
    work: int
    is_bounded: bool = True

    @property
    def is_small(self) -> bool:
        """True if decoding is sure to end in seconds, in memory that any machine has."""
        return self.is_bounded and self.work <= _QUICK_PIXELS and self.nbytes <= _QUICK_BYTES


@dataclass(frozen=True)
class DecodingMemory:
    """Arrays that decoding allocates for a photo.

    Attributes:
        width: in pixels, as stored.
        height: in pixels, as stored.
        color: channels of colour, 1 or 3.
        has_alpha: there is transparency.
        sample_bytes: of a sample as the codec gives it.
        codec_bytes: bytes per pixel that the codec keeps until its samples are floats.
        turns: the floats are rotated or mirrored upright.
        converts: the floats are converted from an ICC profile or another colour space.
        is_exact: samples are divided as 64-bit floats, or by alpha, some rows at a time.
    """

    width: int
    height: int
    color: int
    has_alpha: bool
    sample_bytes: int
    codec_bytes: float
    turns: bool = False
    converts: bool = False
    is_exact: bool = False

    def cost(
        self, *, decoder: float = 0.0, parts: int = 0, work: int | None = None, is_bounded: bool = True
    ) -> DecodingCost:
        """Total cost; `decoder`: codec's bytes per pixel before it returns samples; `parts`: further bytes in all."""
        count = self.width * self.height
        alpha = _FLOAT * self.has_alpha
        float_bytes = self.codec_bytes + (self.color + self.has_alpha) * self.sample_bytes + self.color * _FLOAT + alpha
        weights = (self.color * _FLOAT + alpha) / 3 + alpha  # of hidden colours, with ever smaller pictures
        filled = self.color * _FLOAT + alpha + weights if self.has_alpha else 0
        gray_to_rgb = _FLOAT * (1 + 3) + alpha + 1 if self.color == 1 else 0
        copied = 2 * 3 * _FLOAT + alpha if self.turns or self.converts else 0
        kept = min(max(0.0, _KEPT_SHARE - self.codec_bytes) * count, _KEPT_BYTES)
        out_of_gamut = _OUT_OF_GAMUT_BYTES if self.converts and self.color == 3 else 0
        most = count * max(decoder, float_bytes, filled, gray_to_rgb, copied + out_of_gamut) + kept
        band = _BAND_BYTES if self.converts or self.is_exact else _FILLED_BAND_BYTES * self.has_alpha
        most += min(BAND_ROWS, self.height) * self.width * band
        nbytes = int(most) + parts + _FIXED_BYTES
        cost = DecodingCost(self.width, self.height, nbytes, count if work is None else work, is_bounded)
        if cost.is_small:
            return cost
        # Another process decodes it and hands it over one array after the other, each of which is then there twice.
        handed_over = count * (2 * 3 * _FLOAT + alpha + out_of_gamut) + _FIXED_BYTES
        return replace(cost, nbytes=max(nbytes, handed_over))
