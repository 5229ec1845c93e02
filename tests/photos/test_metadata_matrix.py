"""Every kind of metadata through every pair of formats; exiftool writes it, and says before and after what is there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judges import judge
from photo_files import heif, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
IMAGE = Image.fromarray(picture(64, 64))
DEEP = np.tile(picture(32, 32).astype(np.uint16) * 257, (2, 2, 1))
SOURCES = {
    "jpeg.jpg": saved(IMAGE, "JPEG"),
    "png.png": saved(IMAGE, "PNG"),
    "deep.png": png16(DEEP),
    "webp.webp": saved(IMAGE, "WEBP"),
    "little.tif": tiff(picture(), photometric="rgb", byteorder="<", metadata=None, software=False),
    "big.tif": tiff(picture(), photometric="rgb", byteorder=">", metadata=None, software=False),
    "heic.heic": heif(IMAGE),
    "avif.avif": saved(IMAGE, "AVIF"),
    "gif.gif": saved(IMAGE, "GIF"),
}
OUTPUTS = list(ImageFormat)
ORDERS = ("MM", "II")
TAGS = {
    "IFD0:Artist": "Jürgen Müller",
    "IFD0:ImageDescription": "東京の写真",
    "IFD0:Copyright": "© 2020 Müller",
    "IFD0:XPTitle": "Ürdingen 東京",
    "IFD0:XResolution": "300",
    "IFD0:YResolution": "300",
    "IFD0:ResolutionUnit": "inches",
    "IFD0:Orientation#": "6",
    "ExifIFD:UserComment": "日本語",
    "ExifIFD:DateTimeOriginal": "1931:05:01 10:00:00",
    "ExifIFD:LensModel": "Objektiv für Ü",
    "ExifIFD:ExposureTime": "1/125",
    "GPS:GPSLatitude": "52.5",
    "GPS:GPSLatitudeRef": "N",
    "GPS:GPSAreaInformation": "Zürich 東京",
    "GPS:GPSProcessingMethod": "MANUAL",
    "XMP-dc:Title": "Großmutter & Kind",
    "XMP-dc:Creator": "Jürgen",
    "XMP-xmp:Rating": "4",
    "XMP-tiff:Orientation#": "6",
    "IPTC:CodedCharacterSet": "UTF8",
    "IPTC:Headline": "Großmutter am See",
    "IPTC:Keywords": "Bäume",
    "Comment": "Auf der Rückseite: 1931",
}
RESET = ("Orientation", "Software", "ExifImageWidth", "ExifImageHeight", "CreatorTool", "XMPToolkit")
# What exiftool names after the file's own structure.
STRUCTURE = ("ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "PhotometricInterpretation", "StripOffsets")
STRUCTURE += ("SamplesPerPixel", "RowsPerStrip", "StripByteCounts", "PlanarConfiguration", "Predictor", "SubfileType")
STRUCTURE += ("YCbCrPositioning", "SampleFormat", "ComponentsConfiguration", "PageNumber")
CARRIED = ("IFD0", "ExifIFD", "GPS", "InteropIFD", "IPTC", "XMP-")


def carried(found: dict[str, Any]) -> dict[str, Any]:
    """The tags of exiftool's answer that are to be in every output."""
    names = {name: name.partition(":")[2] for name in found if name.startswith(CARRIED)}
    return {name: found[name] for name, tag in names.items() if tag not in (*RESET, *STRUCTURE)}


def exiftool(folder: Path) -> dict[str, dict[str, Any]]:
    """What exiftool reads in every file of a folder, by the file's name."""
    answer = judge("exiftool", "-j", "-G1", "-a", "-u", "-charset", "exif=UTF8", "-all", "-validate", str(folder))
    return {Path(found["SourceFile"]).name: found for found in json.loads(answer)}


def encoded(data: bytes, name: ImageFormat) -> tuple[bytes, list[str]]:
    warnings: list[str] = []
    photo = decode_photo(data)
    settings = OutputSettings(format=name)
    return encode_photo(photo, settings=settings, marker=MARKER, warn=warnings.append), [*photo.warnings, *warnings]


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> tuple[dict[str, dict], dict[str, dict], dict[str, list[str]]]:
    """What exiftool finds in the sources and in the outputs, and what was warned of."""
    before, after = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")
    warned = {}
    arguments = [f"-{tag}={value}" for tag, value in TAGS.items()]
    for order in ORDERS:
        for name, data in SOURCES.items():
            (before / f"{order}-{name}").write_bytes(data)
        files = [str(before / f"{order}-{name}") for name in SOURCES]
        options = ["-q", "-q", "-m", "-overwrite_original", "-charset", "exif=UTF8", f"-ExifByteOrder={order}"]
        judge("exiftool", *options, *arguments, *files)
    for source in before.iterdir():
        for output in OUTPUTS:
            name = f"{source.name}-{output.value}{output.suffix}"
            data, warned[name] = encoded(source.read_bytes(), output)
            (after / name).write_bytes(data)
    return exiftool(before), exiftool(after), warned


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("order", ORDERS)
def test_what_a_photo_says_is_said_by_its_restoration(answers, order, source, output):
    before, after, warned = answers
    name = f"{order}-{source}-{output.value}{output.suffix}"
    given, found = carried(before[f"{order}-{source}"]), carried(after[name])
    assert len(given) >= (3 if source == "gif.gif" else 20)
    assert {tag: found.get(tag) for tag in given} == given
    assert warned[name] == []


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", SOURCES)
def test_restorations_are_upright_valid_and_hold_the_resolution_in_their_own_place(answers, source, output):
    _, after, _ = answers
    found = after[f"MM-{source}-{output.value}{output.suffix}"]
    assert found["IFD0:Orientation"] == "Horizontal (normal)"
    assert "XMP-tiff:Orientation" not in found
    # What exiftool finds unusual: TIFF's Deflate, and IPTC under TIFF's tag as bytes instead of words.
    unusual = output is ImageFormat.TIFF
    unusual += output in (ImageFormat.TIFF, ImageFormat.WEBP) and "IPTC:Headline" in found
    assert found["ExifTool:Validate"] == ("OK", "1 Warning", "2 Warnings")[unusual]
    if source == "gif.gif":
        return
    own = {ImageFormat.JPEG: "JFIF:XResolution", ImageFormat.PNG: "PNG-pHYs:PixelsPerUnitX"}
    place = own.get(output, "IFD0:XResolution")
    assert found[place] == (11811 if output is ImageFormat.PNG else 300)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", ["jpeg.jpg", "gif.gif", "png.png"])
def test_comments_have_a_place_in_every_format(answers, source, output):
    _, after, _ = answers
    found = after[f"MM-{source}-{output.value}{output.suffix}"]
    place = {ImageFormat.JPEG: "File:Comment", ImageFormat.PNG: "PNG:Comment"}.get(output, "XMP-exif:UserComment")
    assert found[place] == TAGS["Comment"]
