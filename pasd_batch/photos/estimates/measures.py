"""All measures of a photo that an audit asks for."""

import numpy as np

from pasd_batch.photos.color_profile import profile_name
from pasd_batch.photos.estimates.borders import find_borders
from pasd_batch.photos.estimates.color_cast import measure_color_cast
from pasd_batch.photos.estimates.exposure import measure_exposure
from pasd_batch.photos.estimates.halftone import halftone_strength
from pasd_batch.photos.estimates.hashes import perceptual_hash, pixel_hash
from pasd_batch.photos.estimates.information import entropy
from pasd_batch.photos.estimates.levels import as_uint8
from pasd_batch.photos.estimates.sample import sample_photo
from pasd_batch.photos.exif_facts import exif_facts
from pasd_batch.photos.photo import ColorSource, Photo
from pasd_batch.records import PhotoMeasures


def measure_photo(photo: Photo) -> PhotoMeasures:
    """Measures of a decoded photo, upright and in sRGB."""
    exposure = measure_exposure(photo.pixels)
    rounded: np.ndarray = as_uint8(photo.pixels)  # once for those that are defined on 8 bits
    cast = measure_color_cast(rounded)
    borders = find_borders(photo.pixels)
    facts = exif_facts(photo.metadata.exif)
    colors = photo.metadata.colors
    icc = photo.metadata.icc if colors is ColorSource.PROFILE else None  # else one that was made for the output
    return PhotoMeasures(
        brightness_01=exposure.quantile_01,
        brightness_05=exposure.quantile_05,
        brightness_95=exposure.quantile_95,
        brightness_99=exposure.quantile_99,
        entropy=entropy(rounded),
        chroma=cast.chroma_99,
        cast=cast.chroma_02,
        cast_a=cast.a,
        cast_b=cast.b,
        screen=halftone_strength(sample_photo(photo.pixels, photo.alpha)),
        border_left=borders.left,
        border_top=borders.top,
        border_right=borders.right,
        border_bottom=borders.bottom,
        grayscale=photo.grayscale,
        bit_depth=photo.bit_depth if photo.form is None else photo.form.bit_depth,
        transparent=photo.alpha is not None,
        colors=colors.value,
        profile=None if icc is None else profile_name(icc),
        camera=facts.camera,
        taken_at=facts.taken_at,
        orientation=photo.metadata.orientation,
        pixel_hash=pixel_hash(photo.pixels, photo.alpha),
        perceptual_hash=perceptual_hash(rounded),
    )
