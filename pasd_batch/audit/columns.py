"""Columns of audit.parquet: one row a photo, its measures under short names, what is wrong with it, its duplicates."""

import pyarrow as pa

from pasd_batch.audit.issues import ISSUES
from pasd_batch.records import RENAMED_PREFIX, PhotoMeasures, ResultRow
from pasd_batch.records.columns import Column, columns_of

SEVERITIES_TYPE = pa.struct([(issue.name, pa.float32()) for issue in ISSUES])

_RESULTS = {column.name: column for column in columns_of(ResultRow)}
_MEASURED = {column.name: column for column in columns_of(PhotoMeasures)}


def _same(name: str) -> Column:
    """A measure as the results have it."""
    return _MEASURED[name]


def _number(name: str, description: str) -> Column:
    return Column(name=name, type=pa.float64(), description=description)


RENAMED = {
    "format": "input_format",
    "bytes": "input_bytes",
    "width": "input_width",
    "height": "input_height",
    "sha256": "input_sha256",
    "noise": "noise_sigma",
    "blur": "blur_sigma",
    "jpeg": "jpeg_strength",
}
"""Columns that the results have under another name."""

COLUMNS = (
    Column(name="photo_id", type=pa.string(), description="The photo's id.", nullable=False),
    Column(name="uri", type=pa.string(), description="The photo, as the results have it.", nullable=False),
    Column(name="status", type=pa.string(), description="`ok` or `failed`.", nullable=False),
    Column(name="error_message", type=pa.string(), description="Why it failed."),
    Column(name="format", type=pa.string(), description="File format, whatever the name says."),
    Column(name="bytes", type=pa.int64(), description="Size of the file."),
    Column(name="width", type=pa.int32(), description="Width in pixels, upright."),
    Column(name="height", type=pa.int32(), description="Height in pixels, upright."),
    Column(name="sha256", type=pa.string(), description="SHA-256 (hex) of the file."),
    _number("noise", "Noise: standard deviation of a channel in 8-bit levels."),
    _number("blur", "Blur: standard deviation of a Gaussian in pixels, 0 to 10."),
    _number("jpeg", "Steps between JPEG's blocks in 8-bit levels; below 0.1 there are none."),
    Column(name="jpeg_quality", type=pa.int32(), description="Quality of a JPEG file by its tables, 1 to 100."),
    *map(_same, ("brightness_01", "brightness_05", "brightness_95", "brightness_99")),
    _number("contrast", "`brightness_99` less `brightness_01`."),
    _same("entropy"),
    _same("chroma"),
    *map(_same, ("cast", "cast_a", "cast_b", "screen")),
    _number("border", "Part of the area that plain borders take, 0 to 1."),
    *map(_same, ("border_left", "border_top", "border_right", "border_bottom")),
    _number("aspect", "Shorter side over longer: 1 for a square."),
    _number("side", "Side of a square of the same area, pixels."),
    _number("size_deviation", "Interquartile ranges that `side` is off the middle half of all photos, 1,000 at most."),
    *map(_same, ("grayscale", "bit_depth", "transparent", "colors", "profile", "camera", "taken_at", "orientation")),
    *(_RESULTS[name] for name in ("color_mode", "page", "pages")),
    *map(_same, ("pixel_hash", "perceptual_hash")),
    Column(
        name="duplicate_of",
        type=pa.string(),
        description="Id of the photo to keep of those that are alike, that of most pixels; null for it, and for "
        "photos that are like no other.",
    ),
    Column(name="duplicate_distance", type=pa.int32(), description="Bits in which its hash differs from the nearest."),
    Column(name="duplicates", type=pa.int32(), description="Number of other photos in its group of duplicates."),
    Column(name="issues", type=pa.list_(pa.string()), description="Names of its issues, the most severe first."),
    _number("severity", "That of its most severe issue; 0 without any."),
    Column(name="severities", type=SEVERITIES_TYPE, description="Severity of each issue, 0 to 1; else null."),
    Column(name="shard", type=pa.int32(), description="Its shard in the run's results and plan.", nullable=False),
)
"""All columns but `scores`, which only audits with metrics have, and those of the manifest."""

NAMES = tuple(column.name for column in COLUMNS)


def extra_name(name: str) -> str:
    """Name of a manifest's column: its own, or with a prefix where an audit or an issue has that name."""
    taken = {*NAMES, "scores", *(issue.name for issue in ISSUES)}
    return f"{RENAMED_PREFIX}{name}" if name.lower() in taken else name
