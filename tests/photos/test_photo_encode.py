import io
import logging
from xml.dom import minidom

import numpy as np
import pytest
from icc_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    cmyk_profile,
    gamma_curve,
    grey_profile,
    matrix_profile,
    rgb_lookup_profile,
    srgb_curve,
)
from PIL import Image

from pasd_batch.config.photos import ChromaSubsampling, ImageFormat, OutputSettings
from pasd_batch.photos.photo_io import (
    Photo,
    PhotoMetadata,
    PhotoNotWritable,
    RestorationMarker,
    decode_photo,
    encode_photo,
)
from pasd_batch.photos.xmp import DIGITAL_SOURCE_TYPE

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
PLAIN = PhotoMetadata(source_format="PNG")
FORMATS = list(ImageFormat)
LOSSLESS = [ImageFormat.PNG, ImageFormat.TIFF]
IPTC = b"\x1c\x02\x78\x00\x05Hello\x1c\x02\x50\x00\x02Me"
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>"""


def photo(height=20, width=30, **changes) -> Photo:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    pixels = np.stack([rows / height, columns / width, (rows + columns) / (height + width)], axis=2)
    values = {"pixels": pixels, "alpha": None, "bit_depth": 8, "grayscale": False, "metadata": PLAIN}
    return Photo(**{**values, **changes})


def grey_photo(**changes) -> Photo:
    return photo(pixels=np.repeat(photo().pixels[..., 2:], 3, axis=2), grayscale=True, **changes)


def visible_alpha() -> np.ndarray:
    """Transparency that hides no colour wholly."""
    return 0.1 + 0.9 * photo().pixels[..., 1]


def written(source: Photo, **settings) -> bytes:
    return encode_photo(source, settings=OutputSettings(**settings), marker=MARKER)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def exif_record(thumbnail: bytes = b"") -> bytes:
    exif = Image.Exif()
    exif[271] = "Voigtländer".encode().decode("latin-1")
    exif[305] = "Scanner 1.0"
    exif[282] = 300.0
    exif[274] = 6
    camera = exif.get_ifd(0x8769)
    camera[36867] = "1931:05:01 10:00:00"
    camera[40962], camera[40963] = 5000, 4000
    camera[37500] = b"maker's private block"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    record = exif.tobytes()
    if thumbnail:  # a second directory, with a JPEG in it
        body = bytearray(record[6:])
        count = int.from_bytes(body[8:10], "big")
        after = 10 + 12 * count
        body[after : after + 4] = len(body).to_bytes(4, "big")
        start = len(body) + 2 + 2 * 12 + 4
        body += (2).to_bytes(2, "big")
        body += b"\x02\x01\x00\x04\0\0\0\x01" + start.to_bytes(4, "big")
        body += b"\x02\x02\x00\x04\0\0\0\x01" + len(thumbnail).to_bytes(4, "big")
        record = b"Exif\0\0" + bytes(body) + bytes(4) + thumbnail
    return record


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_written(name):
    data = written(photo(), format=name, lossless=True, quality=100)
    image = opened(data)
    assert image.format == name.value.upper()
    assert (image.mode, image.size) == ("RGB", (30, 20))
    expected = np.rint(photo().pixels * 255)
    assert np.abs(np.asarray(image).astype(int) - expected).max() <= (3 if name == "jpeg" else 0)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_photo_gives_the_same_bytes(name):
    source = photo(
        metadata=PhotoMetadata("JPEG", exif_record(), XMP, IPTC, matrix_profile(ADOBE_RGB, gamma_curve(2.2)))
    )
    assert written(source, format=name) == written(source, format=name)


@pytest.mark.parametrize("name", FORMATS)
def test_the_file_says_that_a_model_made_it(name):
    image = opened(written(photo(), format=name))
    assert image.getexif()[305] == "pasd-batch 9.9 (restored by pasd-tiny; config c0ffee)"
    packet = minidom.parseString(image.info["xmp"])
    [description] = packet.getElementsByTagName("rdf:Description")
    assert description.getAttribute("Iptc4xmpExt:DigitalSourceType") == DIGITAL_SOURCE_TYPE
    assert description.getAttribute("pasd:Model") == "pasd-tiny"
    assert description.getAttribute("pasd:ConfigFingerprint") == "c0ffee"


def test_png_says_it_in_plain_text_too():
    assert opened(written(photo())).info["Software"].startswith("pasd-batch 9.9")


@pytest.mark.parametrize("name", FORMATS)
def test_metadata_is_carried_over(name):
    thumbnail = b"\xff\xd8thumbnail\xff\xd9"
    jpeg = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(jpeg, "JPEG", exif=exif_record(thumbnail), xmp=XMP)
    assert thumbnail in jpeg.getvalue()
    source = decode_photo(jpeg.getvalue())
    metadata = PhotoMetadata("JPEG", source.metadata.exif, source.metadata.xmp, IPTC)
    data = written(photo(metadata=metadata), format=name)

    image = opened(data)
    exif = image.getexif()
    assert exif[274 if name != "tiff" else 271]
    assert exif.get(274, 1) == 1
    assert exif[282] == 300.0
    camera = exif.get_ifd(0x8769)
    assert camera[36867] == "1931:05:01 10:00:00"
    assert camera[37500] == b"maker's private block"
    assert (camera[40962], camera[40963]) == (30, 20)
    assert exif.get_ifd(0x8825)[1] == "N"
    assert thumbnail not in data
    assert b'xmp:Rating="4"' in image.info["xmp"]
    again = decode_photo(data)
    assert again.metadata.iptc == IPTC
    assert (again.height, again.width) == (20, 30)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("space", ["adobe", "p3"])
def test_photos_return_to_their_own_color_space(name, space):
    icc = {"adobe": matrix_profile(ADOBE_RGB, gamma_curve(2.2)), "p3": matrix_profile(DISPLAY_P3, srgb_curve())}[space]
    data = written(photo(metadata=PhotoMetadata("PNG", icc=icc)), format=name, lossless=True, quality=100)
    image = opened(data)
    assert image.info["icc_profile"] == icc
    assert np.abs(np.asarray(image) / 255 - photo().pixels).max() > 0.02
    # Half a step of 8 bits, which in a dark channel beside a bright one the matrix makes a few.
    assert np.abs(decode_photo(data).pixels - photo().pixels).mean() < 1.5 / 255


def test_profiles_without_a_way_back_leave_srgb(caplog):
    caplog.set_level(logging.WARNING)
    for icc, message in (
        (cmyk_profile(), "for CMYK has no way back"),
        (rgb_lookup_profile(both_ways=False), "for RGB has no way back"),
        (b"rubbish", "is left out: not an ICC profile"),
    ):
        image = opened(written(photo(metadata=PhotoMetadata("TIFF", icc=icc))))
        assert "icc_profile" not in image.info
        assert message in caplog.text
        np.testing.assert_array_equal(np.asarray(image), np.rint(photo().pixels * 255))


@pytest.mark.parametrize("name", FORMATS)
def test_grey_stays_grey(name):
    image = opened(written(grey_photo(), format=name, lossless=True, quality=100))
    assert image.mode == ("RGB" if name == "webp" else "L")
    samples = np.asarray(image.convert("RGB"))
    assert np.ptp(samples, axis=2).max() == 0
    assert np.abs(samples - grey_photo().pixels * 255).max() <= 2

    grey = grey_profile(gamma_curve(1.8))
    data = written(grey_photo(metadata=PhotoMetadata("TIFF", icc=grey)), format=name, lossless=True, quality=100)
    assert opened(data).info.get("icc_profile") == (None if name == "webp" else grey)
    assert np.abs(decode_photo(data).pixels - grey_photo().pixels).max() < 4 / 255

    color = matrix_profile(ADOBE_RGB, gamma_curve(2.2))
    image = opened(written(grey_photo(metadata=PhotoMetadata("JPEG", icc=color)), format=name, lossless=True))
    assert (image.mode, image.info["icc_profile"]) == ("RGB", color)
    assert np.ptp(np.asarray(image), axis=2).max() <= (1 if name == "jpeg" else 0)


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("grayscale", [False, True])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_sixteen_bits_are_kept(name, grayscale, has_alpha):
    source = (grey_photo if grayscale else photo)(bit_depth=16, alpha=visible_alpha() if has_alpha else None)
    data = written(source, format=name)
    again = decode_photo(data)
    assert (again.bit_depth, again.grayscale) == (16, grayscale)
    np.testing.assert_allclose(again.pixels, source.pixels, atol=0.51 / 65535)
    if has_alpha:
        np.testing.assert_allclose(again.alpha, source.alpha, atol=0.51 / 65535)
    if not (name == "tiff" and grayscale and has_alpha):  # Pillow cannot open that, libtiff's own programs can
        assert opened(data).size == (30, 20)
    assert decode_photo(written(source, format=name, keep_16_bit=False)).bit_depth == 8


def test_sixteen_bits_are_kept_in_a_wide_color_space():
    icc = matrix_profile(ADOBE_RGB, gamma_curve(2.2))
    for name in LOSSLESS:
        again = decode_photo(written(photo(bit_depth=16, metadata=PhotoMetadata("PNG", icc=icc)), format=name))
        np.testing.assert_allclose(again.pixels, photo().pixels, atol=20 / 65535)


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_formats_without_sixteen_bits_take_eight(name):
    assert decode_photo(written(photo(bit_depth=16), format=name)).bit_depth == 8


@pytest.mark.parametrize("name", ["png", "tiff", "webp"])
def test_transparency_is_put_back(name):
    alpha = visible_alpha()
    data = written(photo(alpha=alpha), format=name, lossless=True)
    assert opened(data).mode == "RGBA"
    again = decode_photo(data)
    np.testing.assert_allclose(again.alpha, alpha, atol=0.51 / 255)
    np.testing.assert_allclose(again.pixels, photo().pixels, atol=0.51 / 255)
    again = decode_photo(written(grey_photo(alpha=alpha), format=name, lossless=True))
    assert again.grayscale
    np.testing.assert_allclose(again.alpha, alpha, atol=0.51 / 255)


def test_jpeg_lays_transparency_over_the_background():
    alpha = np.zeros((20, 30), np.float32)
    alpha[:, 16:] = 1.0
    for background in ((255, 255, 255), (0, 128, 255)):
        samples = np.asarray(opened(written(photo(alpha=alpha), format="jpeg", quality=100, background=background)))
        assert np.abs(samples[:, :8].astype(int) - background).max() <= 6
        assert np.abs(samples[:, 20:] - photo().pixels[:, 20:] * 255).max() <= 6
    colored = opened(written(grey_photo(alpha=alpha), format="jpeg", background=(0, 128, 255)))
    assert colored.mode == "RGB"


def test_jpeg_takes_quality_and_subsampling():
    from PIL import JpegImagePlugin

    small, large = (len(written(photo(200, 300), format="jpeg", quality=quality)) for quality in (40, 98))
    assert small < large
    for subsampling, expected in zip(ChromaSubsampling, (0, 1, 2), strict=True):
        image = Image.open(io.BytesIO(written(photo(), format="jpeg", subsampling=subsampling)))
        assert JpegImagePlugin.get_sampling(image) == expected


def test_records_too_long_for_jpeg_are_shortened_with_a_warning(caplog):
    caplog.set_level(logging.WARNING)
    exif = Image.Exif()
    exif[271] = "Maker"
    exif.get_ifd(0x8769)[37500] = bytes(70_000)
    image = opened(written(photo(metadata=PhotoMetadata("TIFF", exif.tobytes())), format="jpeg"))
    assert image.getexif()[271] == "Maker"
    assert "too long for JPEG; left out: MakerNote" in caplog.text

    exif[270] = "x" * 70_000
    image = opened(written(photo(metadata=PhotoMetadata("TIFF", exif.tobytes())), format="jpeg"))
    assert image.getexif()[271] == "Maker"
    assert image.getexif()[305].startswith("pasd-batch")
    assert "left out: MakerNote, ImageDescription" in caplog.text


def test_what_cannot_be_written_is_an_error():
    pixels = photo().pixels.copy()
    pixels[3, 3, 1] = np.nan
    with pytest.raises(PhotoNotWritable, match="not finite"):
        written(photo(pixels=pixels))
    with pytest.raises(PhotoNotWritable, match="16384 x 4 pixels is more than the 16383 a side that webp can hold"):
        written(photo(4, 16384), format="webp")
    with pytest.raises(PhotoNotWritable, match="write png or tiff"):
        written(photo(1, 65536), format="jpeg")
    assert opened(written(photo(1, 65536), format="png")).size == (65536, 1)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (600, 5), (257, 1025)])
def test_any_size_is_written(name, size):
    assert opened(written(photo(*size), format=name)).size == size[::-1]


def test_compression_can_be_chosen():
    for name in LOSSLESS:
        sizes = [len(written(photo(200, 300), format=name, compression=level)) for level in (0, 6)]
        assert sizes[1] < sizes[0] / 3
