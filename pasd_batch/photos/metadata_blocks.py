"""Metadata blocks as read from a file's container."""

from dataclasses import dataclass, field

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.resolution import Resolution
from pasd_batch.photos.texts import Text
from pasd_batch.photos.tiff_directory import MalformedDirectory, TiffDirectories, read_directories

XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG = 700, 33723, 34377, 34675
ORIENTATION_TAG, SOFTWARE_TAG = 274, 305

# Tags about how the old file stored its pixels, or whose contents are carried on their own or not at all: thumbnails,
# pages, PrintIM, Photoshop's layers, Windows' padding.
_STRUCTURAL = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291}
    | {292, 293, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340}
    | {
        341,
        342,
        347,
        512,
        513,
        514,
        515,
        517,
        518,
        519,
        520,
        521,
        529,
        530,
        531,
        532,
        37121,
        37724,
        50255,
        50341,
        59932,
    }
)


LARGEST_PROFILE = 1 << 24
"""Bytes of an ICC profile that is read; the largest of printers have some four million."""


@dataclass
class MetadataBlocks:
    """Blocks of one file. `resolution` is the container's own, not EXIF's; `xmp` one packet; `iptc` a record."""

    exif: TiffDirectories | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    icc: bytes | None = None
    resolution: Resolution | None = None
    texts: list[Text] = field(default_factory=list)


def exif_directories(data: bytes, warn: Warn, *, start: int | None = None) -> TiffDirectories | None:
    """An EXIF record's or TIFF file's directories without what describes the old file; None, and a warning, if junk.

    `start` is where the main directory begins, if not where the header says.
    """
    try:
        large = (XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG)
        return read_directories(data, warn, start=start, skipped=_STRUCTURAL, large=large)
    except MalformedDirectory as error:
        warn(f"the EXIF record cannot be read and is left out: {error}")
        return None
