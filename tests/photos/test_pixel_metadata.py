"""What metadata says in pixels is true of the result: exiftool reads it there."""

import json
import struct

import numpy as np
import pytest
from judges import judge
from photo_files import picture, saved, tiff
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo, with_restored_pixels

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
TAGS = {
    "ExifIFD:SubjectArea": "20 10 8 6",
    "ExifIFD:SubjectLocation": "20 10",
    "ExifIFD:FocalPlaneXResolution": "3000",
    "ExifIFD:FocalPlaneYResolution": "3000",
    "XMP-GPano:CroppedAreaImageWidthPixels": "40",
    "XMP-GPano:CroppedAreaImageHeightPixels": "24",
    "XMP-GPano:FullPanoWidthPixels": "400",
    "XMP-GPano:FullPanoHeightPixels": "200",
    "XMP-GPano:CroppedAreaLeftPixels": "180",
    "XMP-GPano:CroppedAreaTopPixels": "88",
    "XMP-GPano:PoseHeadingDegrees": "12.5",
    "XMP-mwg-rs:RegionInfo": "{AppliedToDimensions={W=40,H=24,Unit=pixel},RegionList=[{Name=Ada,Type=Face,"
    "Area={X=0.5,Y=0.4,W=0.1,H=0.2,Unit=normalized}}]}",
}
TWICE = {
    "ExifIFD:SubjectArea": "40 20 16 12",
    "ExifIFD:SubjectLocation": "40 20",
    "ExifIFD:FocalPlaneXResolution": 6000,
    "ExifIFD:FocalPlaneYResolution": 6000,
    "XMP-GPano:CroppedAreaImageWidthPixels": 80,
    "XMP-GPano:CroppedAreaImageHeightPixels": 48,
    "XMP-GPano:FullPanoWidthPixels": 800,
    "XMP-GPano:FullPanoHeightPixels": 400,
    "XMP-GPano:CroppedAreaLeftPixels": 360,
    "XMP-GPano:CroppedAreaTopPixels": 176,
    "XMP-GPano:PoseHeadingDegrees": 12.5,
    "XMP-mwg-rs:RegionAppliedToDimensionsW": 80,
    "XMP-mwg-rs:RegionAppliedToDimensionsH": 48,
    "XMP-mwg-rs:RegionAreaX": 0.5,
    "XMP-mwg-rs:RegionAreaW": 0.1,
}


def restored(data: bytes, output: ImageFormat, scale: int) -> tuple[bytes, list[str]]:
    photo = decode_photo(data)
    pixels = np.repeat(np.repeat(photo.pixels, scale, axis=0), scale, axis=1)
    warnings = list(photo.warnings)
    settings = OutputSettings(format=output)
    larger = with_restored_pixels(photo, pixels)
    return encode_photo(larger, settings=settings, marker=MARKER, warn=warnings.append), warnings


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[int, bytes]:
    """A photo with measures, by its orientation."""
    folder = tmp_path_factory.mktemp("measures")
    for orientation in (1, 6):
        (folder / f"{orientation}.jpg").write_bytes(saved(Image.fromarray(picture()), "JPEG"))
        arguments = [f"-{tag}={value}" for tag, value in {**TAGS, "IFD0:Orientation#": str(orientation)}.items()]
        judge("exiftool", "-q", "-m", "-overwrite_original", *arguments, str(folder / f"{orientation}.jpg"))
    return {orientation: (folder / f"{orientation}.jpg").read_bytes() for orientation in (1, 6)}


def read(data: bytes, path) -> dict:
    path.write_bytes(data)
    return json.loads(judge("exiftool", "-j", "-G1", "-a", str(path)))[0]


@pytest.mark.parametrize("output", list(ImageFormat))
def test_measures_grow_with_the_photo(output, sources, tmp_path):
    data, warnings = restored(sources[1], output, scale=2)
    found = read(data, tmp_path / f"out{output.suffix}")
    assert {tag: found.get(tag) for tag in TWICE} == TWICE
    assert warnings == []


def test_measures_stay_where_the_size_does(sources, tmp_path):
    found = read(restored(sources[1], ImageFormat.PNG, scale=1)[0], tmp_path / "out.png")
    assert found["ExifIFD:SubjectArea"] == TAGS["ExifIFD:SubjectArea"]
    assert found["XMP-GPano:FullPanoWidthPixels"] == 400


@pytest.mark.parametrize("scale", [1, 2])
def test_measures_of_a_photo_that_is_turned_go_with_a_warning(scale, sources, tmp_path):
    data, warnings = restored(sources[6], ImageFormat.PNG, scale)
    found = read(data, tmp_path / "out.png")
    assert not any("Subject" in tag or "FocalPlane" in tag or "Pixels" in tag for tag in found)
    assert found["XMP-GPano:PoseHeadingDegrees"] == 12.5
    assert len(warnings) == 2
    assert "SubjectLocation" in warnings[0]
    assert "CroppedAreaLeftPixels" in warnings[1]


@pytest.mark.parametrize("order", "<>")
def test_the_ground_of_geotiff_is_that_of_the_new_pixels(order):
    numbers = {33550: (0.5, 0.25, 0.0), 33922: (10.0, 4.0, 0.0, 500000.0, 4.6e6, 0.0), 34264: tuple(range(1, 17))}
    tags = [(tag, "d", len(values), values, True) for tag, values in numbers.items()]
    data, warnings = restored(tiff(picture(), photometric="rgb", extratags=tags, byteorder=order), ImageFormat.TIFF, 2)
    expected = {
        33550: (0.25, 0.125, 0.0),
        33922: (20.0, 8.0, 0.0, 500000.0, 4.6e6, 0.0),
        34264: tuple(value / (2 if at % 4 < 2 else 1) for at, value in enumerate(range(1, 17))),
    }
    for values in expected.values():
        assert struct.pack(f"{order}{len(values)}d", *values) in data
    assert warnings == []
