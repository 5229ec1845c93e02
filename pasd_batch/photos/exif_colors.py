"""Colours that EXIF states: sRGB, or Adobe RGB by the DCF option file that cameras write (DCF 2.0, section 3.4)."""

from pasd_batch.photos.tiff_directory import ASCII, CAMERA, INTEROPERABILITY, SHORT, TiffDirectories, Value

_COLOR_SPACE, _INDEX = 40961, 1
_SRGB, _ADOBE_RGB = 1, 2  # the latter is no number of EXIF's, but some cameras write it
_OPTION_FILE, _THUMBNAIL_FILE = b"R03", b"R98"


def is_adobe_rgb(exif: TiffDirectories) -> bool:
    """True if the record states Adobe RGB, and not sRGB, which takes precedence."""
    stated = exif.numbers(_COLOR_SPACE, directory=CAMERA)[:1]
    index = exif.others.get(INTEROPERABILITY, {}).get(_INDEX)
    is_option_file = index is not None and index.data.startswith(_OPTION_FILE)
    return stated != (_SRGB,) and (is_option_file or stated == (_ADOBE_RGB,))


def says_srgb(exif: TiffDirectories) -> bool:
    """True if the record states sRGB."""
    return exif.numbers(_COLOR_SPACE, directory=CAMERA)[:1] == (_SRGB,)


def say_srgb(exif: TiffDirectories) -> None:
    """Change the record's statements about colours to sRGB."""
    camera, index = exif.others.get(CAMERA, {}), exif.others.get(INTEROPERABILITY, {})
    if _COLOR_SPACE in camera:
        camera[_COLOR_SPACE] = exif.integers(SHORT, _SRGB)
    if _INDEX in index and index[_INDEX].data.startswith(_OPTION_FILE):
        index[_INDEX] = Value(ASCII, _THUMBNAIL_FILE + b"\0")
