"""Metadata have bounds of their own: what is over them is left out with a warning, and what photos carry is not."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from icc_profiles import ADOBE_RGB, gamma_curve, matrix_profile
from photo_files import picture, saved, tiff
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo
from pasd_batch.photos.xmp import marked_xmp

MIB = 1 << 20
MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
PHOTO = Image.fromarray(picture())


def with_chunk(name, content):
    png = saved(PHOTO, "PNG")
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return png[:33] + chunk + png[33:]


@pytest.fixture(scope="module")
def packed():
    """160 MiB in as many kB."""
    return zlib.compress(bytes(160 * MIB))


@pytest.mark.parametrize(
    ("name", "header"),
    [
        (b"zTXt", b"Comment\0\0"),
        (b"zTXt", b"Raw profile type exif\0\0"),
        (b"iTXt", b"Comment\0\1\0\0\0"),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
        (b"iCCP", b"icc\0\0"),
    ],
)
def test_what_a_png_holds_packed_is_not_unpacked_without_end(packed, name, header):
    data = with_chunk(name, header + packed)
    tracemalloc.start()
    try:
        photo = decode_photo(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(np.rint(photo.pixels * 255), picture())
    (warning,) = photo.warnings
    assert "left out" in warning
    assert name.decode() in warning
    assert peak < 2.5 * 64 * MIB


def large_profile(nbytes):
    profile = matrix_profile(ADOBE_RGB, gamma_curve(2.2))
    return struct.pack(">I", nbytes) + profile[4:] + bytes(nbytes - len(profile))


WITH_PROFILE = {
    "PNG": lambda icc: saved(PHOTO, "PNG", icc_profile=icc),
    "WebP": lambda icc: saved(PHOTO, "WEBP", lossless=True, icc_profile=icc),
    "TIFF": lambda icc: tiff(picture(), photometric="rgb", iccprofile=icc),
}


@pytest.mark.parametrize("kind", WITH_PROFILE)
def test_a_profile_beyond_reason_is_left_out(kind):
    photo = decode_photo(WITH_PROFILE[kind](large_profile(17 * MIB)))
    assert photo.metadata.icc is None
    assert any("ICC" in warning or "iCCP" in warning for warning in photo.warnings), photo.warnings
    np.testing.assert_array_equal(np.rint(photo.pixels * 255), picture())


@pytest.mark.parametrize("output", list(ImageFormat))
@pytest.mark.parametrize("kind", WITH_PROFILE)
def test_a_large_profile_is_kept_and_read_again(kind, output):
    icc, warnings = large_profile(3 * MIB), []
    photo = decode_photo(WITH_PROFILE[kind](icc))
    assert photo.metadata.icc == icc
    written = encode_photo(photo, settings=OutputSettings(format=output), marker=MARKER, warn=warnings.append)
    assert not warnings
    assert decode_photo(written).metadata.icc == icc


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<x:a/>" * 260_000, "tags and attributes are more than the 250,000"),
        ("<x:a " + " ".join(f"b{number}='1'" for number in range(260_000)) + "/>", "tags and attributes"),
        (" " * (17 * MIB), "more than the 16,777,216 that are read"),
    ],
)
def test_a_packet_that_would_fill_memory_is_replaced(inside, message):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<rdf:Description>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
    warnings = []
    assert b"c0ffee" in marked_xmp(packet, MARKER, warnings.append)
    (warning,) = warnings
    assert message in warning
