"""What decoding takes is told from headers: bombs are refused before a decoder sees them, the bound is measured."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from icc_profiles import ADOBE_RGB, SRGB, cmyk_profile, gamma_curve, matrix_profile, rgb_lookup_profile
from photo_files import avif, heif, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.config.photos import DecodeLimits, ImageFormat, OutputSettings
from pasd_batch.photos.decoding_cost import check_cost, decoding_cost
from pasd_batch.photos.formats import SourceFormat, source_format
from pasd_batch.photos.photo_io import PhotoTooLarge, RestorationMarker, decode_photo, encode_photo

SIDES = (1000, 1200)
MIB = 2**20
MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")


def webp_header(width, height):
    bits = (width - 1) | (height - 1) << 14
    chunk = b"VP8L" + struct.pack("<IBI", 13, 0x2F, bits) + bytes(9)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def jpeg_header(width, height, **options):
    data = bytearray(saved(Image.new("RGB", (16, 16)), "JPEG", **options))
    frame = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff_header(width, height, **tags):
    data = tiff(np.zeros((16, 16, 3), np.uint16), photometric="rgb", compression="zlib", **tags)
    for tag, side, new in ((256, 16, width), (257, 16, height)):
        start = data.index(struct.pack("<HHII", tag, 4, 1, side) if not tags else struct.pack("<HH", tag, 4))
        data = data[: start + 8] + struct.pack("<I", new) + data[start + 12 :]
    return data


def png_header(width, height, *, profile):
    color = {"icc_profile": matrix_profile(ADOBE_RGB, gamma_curve(2.2))} if profile else {}
    data = bytearray(saved(Image.new("RGBA", (16, 16)), "PNG", **color))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


BOMBS = {
    "WebP": webp_header(16383, 15000),
    "JPEG": jpeg_header(15800, 15800, icc_profile=matrix_profile(SRGB, gamma_curve(1.8))),
    "TIFF": tiff_header(15800, 15800),
}


@pytest.mark.parametrize("name", BOMBS)
def test_headers_that_promise_too_much_are_refused_by_bytes(name):
    data = BOMBS[name]
    assert len(data) < 1200
    with pytest.raises(
        PhotoTooLarge, match=r"takes [\d,]+ MiB, more than the limit of 4,096; raise limits.max_decoded_mib"
    ):
        decode_photo(data)


def in_container(data, width, height):
    """A HEIC or AVIF file that claims another size than its picture has."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def gif_header(width, height):
    data = bytearray(saved(Image.new("P", (16, 16)), "GIF"))
    at = data.index(b",")
    data[6:10] = data[at + 5 : at + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_header(width, height):
    data = saved(Image.new("RGB", (16, 16)), "BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


CLAIMS = {
    "GIF": gif_header(65535, 65535),
    "BMP": bmp_header(65535, 65535),
    "PNG": png_header(65535, 65535, profile=False),
    "JPEG": jpeg_header(65500, 65500),
    "TIFF": tiff_header(65535, 65535),
    "WebP": webp_header(16384, 16384),
    "AVIF": in_container(saved(Image.fromarray(picture(64, 64)), "AVIF"), 65535, 65535),
    "HEIC": in_container(heif(Image.fromarray(picture(64, 64))), 65535, 65535),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_sizes_that_no_photo_has_are_refused_by_pixels(name):
    with pytest.raises(PhotoTooLarge, match=r"pixels is more than the limit of 250,000,000; raise limits\.max_pixels"):
        decode_photo(CLAIMS[name])


def test_a_tile_larger_than_its_photo_counts():
    data = tiff(np.zeros((16, 16, 3), np.uint16), photometric="rgb", compression="zlib", tile=(16, 16))
    for tag in (322, 323):
        start = next(at for at in range(len(data)) if data[at : at + 2] == struct.pack("<H", tag))
        data = data[: start + 2] + struct.pack("<HII", 4, 1, 65536) + data[start + 12 :]
    with pytest.raises(PhotoTooLarge, match="decoding 16 x 16 pixels takes"):
        decode_photo(data)


@pytest.mark.parametrize(
    "scan",
    [tiff_header(12000, 9000), png_header(12000, 9000, profile=False), png_header(12000, 9000, profile=True)],
    ids=["16 bits", "alpha", "alpha and profile"],
)
def test_a_large_scan_is_within_the_default(scan):
    assert check_cost(scan, DecodeLimits()).nbytes > 108_000_000 * 18


def test_the_limit_is_a_setting():
    data = saved(Image.fromarray(picture(1200, 1600)), "PNG")
    with pytest.raises(PhotoTooLarge, match="1600 x 1200 pixels takes 43 MiB, more than the limit of 42"):
        decode_photo(data, limits=DecodeLimits(max_decoded_mib=42))
    assert decode_photo(data, limits=DecodeLimits(max_decoded_mib=43)).width == 1600


def test_headers_are_read_without_a_word(caplog, monkeypatch):
    monkeypatch.setattr(tifffile.logger(), "disabled", False)
    data = tiff(picture(), photometric="rgb")
    at = data.index(struct.pack("<H", 279))
    decoding_cost(data[:at] + struct.pack("<H", 65000) + data[at + 2 :], SourceFormat.TIFF)
    assert not caplog.records


@pytest.mark.parametrize("output", list(ImageFormat))
@pytest.mark.parametrize("sides", [(1, 2500), (2500, 1), (500, 700)])
def test_results_are_within_the_limits_that_are_made_for_them(output, sides):
    """Whatever they may take by the header: as large as they are, a run's limits are for sources."""
    height, width = sides
    profile = matrix_profile(ADOBE_RGB, gamma_curve(2.2))
    source = decode_photo(png16(np.zeros((height, width, 4), np.uint16), (b"iCCP", b"p\0\0" + zlib.compress(profile))))
    data = encode_photo(source, settings=OutputSettings(format=output), marker=MARKER, warn=[].append)
    limits = DecodeLimits.for_result(width=width, height=height, nbytes=len(data))
    assert (decode_photo(data, limits=limits).height, limits.max_pixels) == (height, width * height)


def test_a_large_result_is_within_the_limits_that_are_made_for_it():
    data = png_header(40000, 30000, profile=True)
    limits = DecodeLimits.for_result(width=40000, height=30000, nbytes=len(data))
    assert check_cost(data, limits).nbytes > 40000 * 30000 * 34
    with pytest.raises(PhotoTooLarge):
        check_cost(data, DecodeLimits())


@pytest.mark.parametrize(
    ("data", "is_small"),
    [
        (saved(Image.fromarray(picture()), "JPEG"), True),
        (saved(Image.fromarray(picture()), "JPEG", progressive=True), True),
        (saved(Image.fromarray(picture()), "PNG"), True),
        (tiff(picture(), photometric="rgb"), True),
        (saved(Image.fromarray(picture()), "TIFF", compression="jpeg"), False),
        (saved(Image.fromarray(picture()), "AVIF"), False),
        (heif(Image.fromarray(picture(64, 64))), False),
        (jpeg_header(8000, 8000, progressive=True), False),
        (b"\xff\xd8\xff" + bytes(50), False),
    ],
)
def test_what_may_run_long_or_is_not_told_by_its_header_is_not_small(data, is_small):
    assert check_cost(data, DecodeLimits()).is_small is is_small


def zeroed(data):
    middle = len(data) // 2
    return data[:middle] + bytes(1000) + data[middle + 1000 :]


def with_chunk(png, name, content):
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return png[:33] + chunk + png[33:]


def files():
    """One of each way through the decoder, name -> bytes."""
    random = np.random.default_rng(5)
    samples = random.integers(0, 40, (*SIDES, 4), np.uint8)
    rgb, deep = Image.fromarray(samples[..., :3]), samples.astype(np.uint16) * 257
    profile, wide = matrix_profile(SRGB, gamma_curve(1.8)), matrix_profile(ADOBE_RGB, gamma_curve(2.2))
    cut_out = np.dstack([samples[..., :3], np.full(SIDES, 255, np.uint8)])
    cut_out[:50, :50, 3] = 0
    turned = Image.Exif()
    turned[274] = 6
    yield "jpeg", saved(rgb, "JPEG")
    yield "jpeg progressive", saved(rgb, "JPEG", progressive=True, subsampling=0)
    yield "jpeg turned, profile", saved(rgb, "JPEG", exif=turned, icc_profile=profile)
    yield "jpeg, look-up tables", saved(rgb, "JPEG", icc_profile=rgb_lookup_profile(both_ways=True))
    yield "jpeg beyond sRGB", saved(rgb, "JPEG", exif=turned, icc_profile=wide)
    yield "jpeg damaged", zeroed(saved(rgb, "JPEG", progressive=True, subsampling=0))
    yield "jpeg cmyk", saved(rgb.convert("CMYK"), "JPEG")
    yield "jpeg cmyk, profile", saved(rgb.convert("CMYK"), "JPEG", icc_profile=cmyk_profile())
    yield "png", saved(rgb, "PNG", compress_level=1)
    yield "png linear", with_chunk(saved(rgb, "PNG", compress_level=1), b"gAMA", struct.pack(">I", 100000))
    yield "png cut out", saved(Image.fromarray(cut_out), "PNG", exif=turned, icc_profile=wide, compress_level=1)
    yield "png alpha", saved(Image.fromarray(samples), "PNG", compress_level=1)
    yield "png 16", png16(deep)
    yield "png grey", saved(rgb.convert("L"), "PNG", compress_level=1)
    yield "gif", saved(rgb.convert("L"), "GIF")
    yield "webp", saved(Image.fromarray(samples), "WEBP", lossless=True, quality=0, method=0)
    yield "tiff 8", saved(rgb, "TIFF", compression="tiff_lzw")
    yield "tiff 16", tiff(deep, photometric="rgb", compression="zlib", extrasamples=["unassalpha"])
    yield "tiff cmyk 16", tiff(deep, photometric="separated", compression="zlib")
    yield "tiff lab 16", tiff(deep[..., :3], photometric="cielab", compression="zlib")
    yield "tiff palette", saved(rgb.quantize(64), "TIFF", compression="tiff_lzw")
    yield "tiff float", tiff(samples[..., :3].astype(np.float64), photometric="rgb")
    yield "avif", saved(rgb, "AVIF", speed=10)
    yield "avif 10", avif(np.ascontiguousarray(deep[..., :3] >> 6), bitspersample=10, speed=10)
    yield "heif", heif(rgb.crop((0, 0, 512, 512)))
    several = {"save_all": True, "append_images": [rgb.transpose(Image.Transpose.ROTATE_180)]}
    yield "gif, second", saved(rgb.quantize(64), "GIF", **several)
    yield "png, second", saved(rgb, "PNG", compress_level=1, **several)
    yield "webp, second", saved(Image.fromarray(samples), "WEBP", lossless=True, quality=0, method=0, **several)
    yield "avif, second", saved(rgb, "AVIF", speed=10, **several)
    yield "tiff, second", saved(rgb, "TIFF", compression="tiff_lzw", **several)


MEASURE = """
import os, pathlib, re, sys
import imagecodecs, pillow_heif, tifffile
from pasd_batch.photos.photo_io import decode_photo
def status(name):
    return int(re.search(name + r":\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text()).group(1)) * 1024
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if os.fork():
        os.wait()
        continue
    data = path.read_bytes()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    decode_photo(data, page=2 if path.name.endswith("second") else None)
    path.with_suffix(".peak").write_text(str(status("VmHWM") - before))
    os._exit(0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks of memory are read from /proc")
def test_the_estimate_bounds_what_is_measured_and_not_by_much(tmp_path):
    made = dict(files())
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    subprocess.run([sys.executable, "-c", MEASURE, tmp_path], check=True)
    for name, data in made.items():
        peak = int((tmp_path / f"{name}.peak").read_text())
        cost = decoding_cost(data, source_format(data), 2 if name.endswith("second") else 1)
        # Constants loom large where the photo is small: libraries' own first steps, buffers of some rows.
        assert peak <= cost.nbytes + 4 * MIB, f"{name}: {peak / MIB:.1f} MiB, estimated {cost.nbytes / MIB:.1f}"
        assert cost.nbytes <= 1.6 * peak + 4 * MIB, f"{name}: {peak / MIB:.1f} MiB, estimated {cost.nbytes / MIB:.1f}"
