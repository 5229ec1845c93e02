"""Resolution grows with the photo, so that a print stays as large: exiftool reads the same number in every place."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from judges import judge
from photo_files import picture, saved, tiff
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo import Photo, PhotoMetadata
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo, with_restored_pixels
from pasd_batch.photos.resolution import LengthUnit, Resolution, from_metres, scaled, to_jfif, to_metres
from pasd_batch.photos.tiff_directory import TiffDirectories

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
IMAGE = Image.fromarray(picture(40, 60))
OUTPUTS = list(ImageFormat)


def with_tags(data: bytes, path: Path, **tags: object) -> bytes:
    path.write_bytes(data)
    judge("exiftool", "-q", "-m", "-n", "-overwrite_original", *(f"-{k}={v}" for k, v in tags.items()), str(path))
    return path.read_bytes()


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, bytes]:
    """Photos of 60 x 40 pixels that say how large they are, in different ways."""
    path = tmp_path_factory.mktemp("sources") / "photo"
    jpeg, png = saved(IMAGE, "JPEG", dpi=(300, 300)), saved(IMAGE, "PNG", dpi=(300, 300))
    exif = {"IFD0:XResolution": 300, "IFD0:YResolution": 300, "IFD0:ResolutionUnit": 2}
    xmp = {"XMP-tiff:XResolution": 300, "XMP-tiff:YResolution": 300, "XMP-tiff:ResolutionUnit": 2}
    return {
        "jfif": jpeg,
        "jfif and exif": with_tags(jpeg, path, **exif, **xmp),
        "exif": with_tags(saved(IMAGE, "WEBP"), path, **exif),
        "xmp": with_tags(saved(IMAGE, "WEBP"), path, **xmp),
        "phys": png,
        "phys and exif": with_tags(png, path, **exif),
        "bmp": saved(IMAGE, "BMP", dpi=(300, 300)),
        "tiff": tiff(picture(40, 60), photometric="rgb", resolution=(300, 300), resolutionunit=2),
        "centimetres": tiff(picture(40, 60), photometric="rgb", resolution=(118.11, 118.11), resolutionunit=3),
        "fractional": with_tags(
            saved(IMAGE, "WEBP"), path, **{**exif, "IFD0:XResolution": 72.5, "IFD0:YResolution": 72.5}
        ),
        "turned": with_tags(saved(IMAGE, "JPEG"), path, **{**exif, "IFD0:YResolution": 150, "IFD0:Orientation": 6}),
        "none": saved(IMAGE, "JPEG"),
        "shape": with_tags(saved(IMAGE, "JPEG"), path, **{"JFIF:ResolutionUnit": 0, "JFIF:XResolution": 2}),
    }


def restored(data: bytes, output: ImageFormat, scale: float) -> bytes:
    photo = decode_photo(data)
    height, width = (round(side * scale) for side in photo.pixels.shape[:2])
    larger = with_restored_pixels(photo, np.zeros((height, width, 3), np.float32))
    return encode_photo(larger, settings=OutputSettings(format=output), marker=MARKER)


@pytest.fixture(scope="module")
def stated(sources, tmp_path_factory) -> dict[str, dict]:
    """Answers of exiftool about every source at two scales in every format."""
    folder = tmp_path_factory.mktemp("restored")
    for name, data in sources.items():
        for output in OUTPUTS:
            for scale in (1.5, 2):
                (folder / f"{name}-{scale}{output.suffix}").write_bytes(restored(data, output, scale))
    answers = json.loads(judge("exiftool", "-j", "-G1", "-a", "-n", str(folder)))
    return {Path(answer["SourceFile"]).name: answer for answer in answers}


def per_inch(answer: dict) -> set[tuple[int, int]]:
    """Dots per inch, rounded, by each place of a file that tells them."""
    found = set()
    for group, inches in (("JFIF", 1), ("IFD0", 2)):
        if (unit := answer.get(f"{group}:ResolutionUnit", inches)) >= inches and f"{group}:XResolution" in answer:
            inch = 1 if unit == inches else 2.54
            found.add(tuple(round(answer[f"{group}:{axis}Resolution"] * inch) for axis in "XY"))
    if answer.get("PNG-pHYs:PixelUnits") == 1:
        found.add(tuple(round(answer[f"PNG-pHYs:PixelsPerUnit{axis}"] * 0.0254) for axis in "XY"))
    return found


@pytest.mark.parametrize("scale", [1.5, 2])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    "source",
    ["jfif", "jfif and exif", "exif", "xmp", "phys", "phys and exif", "bmp", "tiff", "centimetres"],
)
def test_dots_per_inch_grow_with_the_photo_in_every_place(stated, source, output, scale):
    answer = stated[f"{source}-{scale}{output.suffix}"]
    assert per_inch(answer) == {(round(300 * scale),) * 2}
    assert not any("XMP-tiff" in tag and "Resolution" in tag for tag in answer)


@pytest.mark.parametrize("output", OUTPUTS)
def test_fractions_are_kept_where_there_is_room_and_rounded_where_there_is_none(stated, output):
    answer = stated[f"fractional-1.5{output.suffix}"]
    if output is ImageFormat.PNG:
        assert answer["PNG-pHYs:PixelsPerUnitX"] == round(108.75 / 0.0254)
    assert answer["IFD0:XResolution"] == 108.75
    assert answer.get("JFIF:XResolution", 109) == 109


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_resolution_is_turned_with_the_photo(stated, output):
    assert per_inch(stated[f"turned-2{output.suffix}"]) == {(300, 600)}


@pytest.mark.parametrize("output", OUTPUTS)
def test_where_no_size_is_told_none_is_made_up(stated, output):
    """But for what EXIF demands of a JPEG, which means that nothing is known."""
    unknown = {(72, 72)} if output is ImageFormat.JPEG else set()
    assert per_inch(stated[f"none-2{output.suffix}"]) == unknown
    answer = stated[f"shape-2{output.suffix}"]
    place = {ImageFormat.JPEG: "JFIF:{}Resolution", ImageFormat.PNG: "PNG-pHYs:PixelsPerUnit{}"}
    x, y = (answer[place.get(output, "IFD0:{}Resolution").format(axis)] for axis in "XY")
    assert x == 2 * y


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [((101, 33), (152, 50), 450), ((101, 67), (202, 134), 600), ((3, 3), (1, 1), 150), ((100, 100), (200, 100), 600)],
)
def test_whole_numbers_stay_whole_through_rounded_sizes(before, after, expected):
    assert scaled(Resolution(Fraction(300), Fraction(300)), before, after).x == expected


def test_resolutions_out_of_a_formats_range_are_named():
    assert from_metres(11811, 11811) == Resolution(Fraction(300), Fraction(300))
    assert to_metres(Resolution(Fraction(118), Fraction(59), LengthUnit.CENTIMETRE)) == (11800, 5900, True)
    many = Resolution(Fraction(70_000), Fraction(70_000))
    assert to_jfif(many) is None
    source = Photo(decode_photo(saved(IMAGE, "PNG")).pixels, None, 8, False, PhotoMetadata("TIFF", resolution=many))
    warnings: list[str] = []
    data = encode_photo(source, settings=OutputSettings(format="jpeg"), marker=MARKER, warn=warnings.append)
    assert warnings == ["a resolution of 70000 has no place in JPEG's header; EXIF keeps it"]
    assert decode_photo(data).metadata.resolution == many


@pytest.mark.parametrize(
    "value", [Fraction(2**40, 3), Fraction(2**31) + Fraction(1, 7), Fraction(10**6) + Fraction(1, 3)]
)
def test_rationals_are_the_nearest_that_their_bits_hold(value):
    record = TiffDirectories()
    record.main[282] = record.rational(value)
    found = record.fraction(282)
    assert found is not None
    assert abs(found - min(value, 2**32 - 1)) < 1
