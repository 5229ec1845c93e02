"""Result of a format's reader: samples as stored, and what the file says about them."""

from dataclasses import dataclass

from pasd_batch.photos.photo import PhotoMetadata
from pasd_batch.photos.raster import Raster
from pasd_batch.records import StoredForm


@dataclass(frozen=True, eq=False)
class DecodedFile:
    """A file's picture, neither turned upright nor in sRGB yet.

    Attributes:
        raster: the samples.
        metadata: what the file carries besides pixels.
        form: the form in which the file has the samples.
        orientation: EXIF's 1 to 8, still to be applied to `raster`; 1 if the decoder has done it.
    """

    raster: Raster
    metadata: PhotoMetadata
    form: StoredForm
    orientation: int
