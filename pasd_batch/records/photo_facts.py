"""Facts about a photo that are result columns: of its files, and of the work that its restoration was."""

from dataclasses import dataclass

import pyarrow as pa

from pasd_batch.records.columns import result_column


@dataclass(frozen=True)
class ImageFacts:
    """An encoded image as it was read or stored."""

    sha256: str = result_column(pa.string(), "SHA-256 (hex) of the bytes of {subject}.")
    bytes: int = result_column(pa.int64(), "Size of {subject}, in bytes.")
    format: str | None = result_column(
        pa.string(), "File format of {subject} (`JPEG`, `PNG`, ...), whatever its name says.", default=None
    )
    width: int | None = result_column(
        pa.int32(), "Width in pixels of {subject}, after the EXIF orientation was applied.", default=None
    )
    height: int | None = result_column(
        pa.int32(), "Height in pixels of {subject}, after the EXIF orientation was applied.", default=None
    )


@dataclass(frozen=True, kw_only=True)
class StoredForm:
    """Form in which a file has its photo."""

    pages: int = result_column(
        pa.int32(),
        "Pages of a TIFF file, pictures of an animation (GIF, WebP, PNG, AVIF) or of a HEIF file; 1 for all else. "
        "Thumbnails, masks, reduced copies, previews and second views (MPF) are none ([pages](results.md#pages)).",
    )
    bit_depth: int = result_column(
        pa.int32(),
        "Bits a channel as the file has them (1, 4, 8, 10, 12, 16, 32); of a palette those of its numbers.",
    )
    color_mode: str = result_column(
        pa.string(),
        "Kind of the colours as the file has them: `1` (black and white), `L` (grey), `RGB` (YCbCr too), `CMYK`, `LAB` "
        "or `P` (a palette), followed by `A` where there is a channel of transparency.",
    )


PASS_TYPE = pa.struct(
    [
        ("uri", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
"""Type of one of the results of passes; its fields are those of `PassResult`."""


@dataclass(frozen=True)
class PassResult:
    """A file that a pass before the last has made."""

    uri: str
    sha256: str
    bytes: int
    width: int
    height: int


@dataclass(frozen=True)
class DegradationEstimate:
    """Estimate of what is wrong with a photo as fetched; None where it cannot be told."""

    noise_sigma: float | None = result_column(
        pa.float64(),
        "Noise of the photo as fetched: standard deviation of a channel in 8-bit levels. What this and the next three "
        "are worth is in [estimates](estimates.md).",
    )
    blur_sigma: float | None = result_column(
        pa.float64(), "Blur of the photo as fetched: standard deviation of a Gaussian in pixels, 0 to 10."
    )
    jpeg_strength: float | None = result_column(
        pa.float64(),
        "Steps at the borders of JPEG's blocks in the photo as fetched, 8-bit levels; below 0.1 there are none.",
    )
    jpeg_quality: int | None = result_column(
        pa.int32(),
        "Quality (1 to 100) of a JPEG file by its quantisation tables; where these are not the usual ones, the "
        "quality whose tables are most alike. Null for other files.",
    )


@dataclass(frozen=True, kw_only=True)
class RestorationReport:
    """Work that a restoration was."""

    steps: int = result_column(pa.int32(), "Denoising steps.")
    guidance_scale: float = result_column(pa.float64(), "Classifier-free guidance; 1 and below: none.")
    conditioning_scale: float = result_column(pa.float64(), "Factor on the control branch's residuals.")
    fidelity: float | None = result_column(
        pa.float64(),
        "The dial of fidelity, which then moved `alpha_a`, `guidance_scale` and the frequencies of the input that are "
        "kept; null without it.",
        default=None,
    )
    kept_frequencies: float = result_column(
        pa.float64(), "Frequencies of the input that were kept, cycles per pixel of the input; 0: none, 0.5: all."
    )
    severity: float | None = result_column(
        pa.float64(),
        "Severity of what is wrong with the photo, 0 to 1, by which its settings were chosen where they adapt "
        "(`sampling.adapt`); null where they do not, or the map has one choice for all photos of that scale. Noise, "
        "blur and JPEG that it goes by are columns, too.",
        default=None,
    )
    alpha_a: float | None = result_column(
        pa.float64(), "Share of the photo in the noise that sampling began with; null for a start from pure noise."
    )
    negative_prompt: str | None = result_column(pa.string(), "What guidance steered away from; null without guidance.")
    tiles: int = result_column(pa.int32(), "Tiles it was denoised in.")
    tile_size: int = result_column(pa.int32(), "Side of the largest square tile, in latent pixels.")
    tile_batch: int = result_column(pa.int32(), "Tiles that went through the networks together.")
    out_of_memory_retries: int = result_column(
        pa.int32(), "How often memory ran out and the tile batch, then the tile, was halved."
    )
    float32_retry: bool = result_column(
        pa.bool_(),
        "It was restored again in float32, because the faster type gave numbers that are not finite.",
    )
    weak_tiles: int | None = result_column(
        pa.int32(),
        "Tiles of the first result that were weak ([weak tiles](weak_tiles.md)); null where none were looked for, as "
        "`sampling.retry_weak` asks for.",
        default=None,
    )
    weak_checks: tuple[str, ...] | None = result_column(
        pa.list_(pa.string()), "Checks that found weak tiles: `detail`, `color`.", default=None
    )
    second_try_kept: bool | None = result_column(
        pa.bool_(),
        "It was restored again from another seed, because tiles were weak: true if that result was better, and is the "
        "one that is stored. Null where it was restored once.",
        default=None,
    )
