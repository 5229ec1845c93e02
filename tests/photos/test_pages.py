"""Pages of TIFF files, pictures of animations and bursts: the first is taken and the rest told, or any is asked for."""

import io
from fractions import Fraction

import numpy as np
import pillow_heif
import pytest
import tifffile
from judges import judge
from photo_files import avif, deep_picture, heif, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.errors import NoSuchPage
from pasd_batch.photos.photo_io import Photo, PhotoDecoder, decode_photo
from pasd_batch.photos.resolution import Resolution
from pasd_batch.records import StoredForm

PICTURES = [np.ascontiguousarray(np.roll(picture(64, 64), 8 * step, axis=1)) for step in range(3)]
LEFT_OUT = "the file has 3 {}, of which only the first is taken; with `pages: every` (`--pages every`) each is a photo"


def form_of(photo: Photo) -> StoredForm:
    assert photo.form is not None
    return photo.form


def tiff_pages(*pages: np.ndarray, bigtiff: bool = False, byteorder="<", **options) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for page in pages:
            writer.write(page, photometric="rgb", metadata=None, **options)
    return file.getvalue()


def animation(name: str, **options) -> bytes:
    frames = [Image.fromarray(each) for each in PICTURES]
    lossless = {"lossless": True} if name == "WEBP" else {}
    return saved(frames[0], name, save_all=True, append_images=frames[1:], **lossless, **options)


def burst() -> bytes:
    file = io.BytesIO()
    pictures = pillow_heif.from_pillow(Image.fromarray(PICTURES[0]))
    for each in PICTURES[1:]:
        pictures.add_from_pillow(Image.fromarray(each))
    pictures.save(file, quality=-1, chroma=444)
    return file.getvalue()


FILES = {
    "TIFF": (tiff_pages(*PICTURES), "pages", 1e-6),
    "BigTIFF": (tiff_pages(*PICTURES, bigtiff=True, byteorder=">"), "pages", 1e-6),
    "TIFF in JPEG": (tiff_pages(*PICTURES, compression="jpeg", compressionargs={"level": 100}), "pages", 0.2),
    "GIF": (animation("GIF"), "pictures of an animation", 0.4),
    "WEBP": (animation("WEBP"), "pictures of an animation", 1e-6),
    "PNG": (animation("PNG"), "pictures of an animation", 1e-6),
    "AVIF": (animation("AVIF", quality=95, subsampling="4:4:4"), "pictures of an animation", 0.1),
    "HEIF": (burst(), "pictures", 0.1),
}


@pytest.mark.parametrize("name", FILES)
def test_the_first_page_is_taken_and_the_others_are_told(name):
    data, what, tolerance = FILES[name]
    photo = decode_photo(data)
    assert photo.warnings == (LEFT_OUT.format(what),)
    assert form_of(photo).pages == 3
    np.testing.assert_allclose(photo.pixels, PICTURES[0] / 255, atol=tolerance)


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("name", FILES)
def test_any_page_is_a_photo_without_a_word_of_the_others(name, page):
    data, _, tolerance = FILES[name]
    photo = PhotoDecoder().decode(data, limits=DecodeLimits(), page=page)
    assert photo.warnings == ()
    assert form_of(photo).pages == 3
    np.testing.assert_allclose(photo.pixels, PICTURES[page - 1] / 255, atol=tolerance)


@pytest.mark.parametrize("name", [*FILES, "JPEG", "BMP", "JPEG of 12 bits"])
def test_a_page_that_is_not_there_is_refused_with_the_number_that_is(name):
    single = Image.fromarray(PICTURES[0])
    data = FILES[name][0] if name in FILES else saved(single, name.split()[0])
    with pytest.raises(NoSuchPage, match=rf"page 7 is asked for, and the file has {3 if name in FILES else 1};"):
        decode_photo(data, page=7)


@pytest.mark.parametrize(
    ("size", "subfiletype", "pages"),
    [
        (slice(None, None, 1), 0, 2),
        (slice(None, None, 1), 1, 1),
        (slice(None, None, 4), 0, 1),
        (slice(0, 5), 0, 2),
    ],
    ids=["a page", "said to be reduced", "a thumbnail that nobody says to be one", "a small page of another shape"],
)
def test_reduced_copies_are_no_pages(size, subfiletype, pages):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture(), photometric="rgb")
        other = picture()[size] if size.step is None and size.stop else picture()[size, size]
        writer.write(other, photometric="rgb", subfiletype=subfiletype)
    photo = decode_photo(file.getvalue())
    assert form_of(photo).pages == pages
    assert len(photo.warnings) == pages - 1


def test_masks_and_pyramids_are_no_pages():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture(), photometric="rgb", subifds=1)
        writer.write(picture()[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(picture()[..., 0] > 99, photometric="minisblack", subfiletype=4)
        writer.write(255 - picture(), photometric="rgb")
    data = file.getvalue()
    assert form_of(decode_photo(data)).pages == 2
    np.testing.assert_allclose(decode_photo(data, page=2).pixels * 255, 255 - picture(), atol=0.01)


def test_a_page_has_metadata_of_its_own_and_none_of_the_first_one():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for text, dots, tags in (("front", 300, [(274, "H", 1, 6, True)]), ("back", 600, [])):
            options = {"description": text, "resolution": (dots, dots), "resolutionunit": 2, "metadata": None}
            writer.write(picture(), photometric="rgb", extratags=tags, **options)
    for page, width, told, dots in ((1, 24, b"front", 300), (2, 40, b"back", 600)):
        photo = decode_photo(file.getvalue(), page=page)
        assert photo.width == width
        assert [text for text in (b"front", b"back") if text in (photo.metadata.exif or b"")] == [told]
        assert photo.metadata.resolution == Resolution(Fraction(dots), Fraction(dots))


def test_second_views_and_previews_of_a_jpeg_are_no_pages():
    frames = [Image.fromarray(each) for each in PICTURES]
    photo = decode_photo(saved(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert form_of(photo).pages == 1
    assert photo.warnings == (
        "further pictures of the file (MPF) are left out, such as a gain map, a preview or a second view",
    )


def test_an_image_sequence_beside_a_heif_picture_is_told():
    photo = decode_photo(heif(rgb()) + (16).to_bytes(4, "big") + b"moov" + bytes(8))
    assert (form_of(photo).pages, photo.warnings) == (
        1,
        ("an image sequence beside the HEIF file's picture is left out",),
    )


def test_the_picture_that_others_see_of_an_animated_png_is_its_first_page():
    """Which is no part of the animation then."""
    data = animation("PNG", default_image=True)
    assert form_of(decode_photo(data)).pages == 3
    for page in (1, 2, 3):
        np.testing.assert_allclose(decode_photo(data, page=page).pixels, PICTURES[page - 1] / 255, atol=1e-6)


def rgb(mode: str = "RGB") -> Image.Image:
    image = Image.fromarray(picture(16, 24, 4), "RGBA")
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


DEEP = deep_picture(4)
FORMS = {
    "jpeg": (saved(rgb(), "JPEG"), 8, "RGB"),
    "grey jpeg": (saved(rgb("L"), "JPEG"), 8, "L"),
    "cmyk jpeg": (saved(rgb("CMYK"), "JPEG"), 8, "CMYK"),
    "png": (saved(rgb(), "PNG"), 8, "RGB"),
    "png of 1 bit": (saved(rgb("1"), "PNG"), 1, "1"),
    "png of 4 bits": (saved(rgb().quantize(16), "PNG", bits=4), 4, "P"),
    "png with alpha": (saved(rgb("RGBA"), "PNG"), 8, "RGBA"),
    "grey png with alpha": (saved(rgb("RGBA").convert("LA"), "PNG"), 8, "LA"),
    "deep png": (png16(DEEP), 16, "RGBA"),
    "gif": (saved(rgb().quantize(16), "GIF"), 4, "P"),
    "grey gif": (saved(rgb("L"), "GIF"), 7, "P"),
    "bmp": (saved(rgb(), "BMP"), 8, "RGB"),
    "bmp of 1 bit": (saved(rgb("1"), "BMP"), 1, "1"),
    "bmp with palette": (saved(rgb("P"), "BMP"), 8, "P"),
    "webp": (saved(rgb("RGBA"), "WEBP"), 8, "RGBA"),
    "tiff": (tiff(picture(), photometric="rgb"), 8, "RGB"),
    "tiff of 1 bit": (tiff(picture()[..., 0] > 99, photometric="minisblack"), 1, "1"),
    "deep tiff with alpha": (tiff(DEEP, photometric="rgb", extrasamples=["unassalpha"]), 16, "RGBA"),
    "deep tiff with another channel": (tiff(DEEP, photometric="rgb", extrasamples=["unspecified"]), 16, "RGB"),
    "tiff of floats": (tiff(picture()[..., 0].astype(np.float32) / 255, photometric="minisblack"), 32, "L"),
    "cmyk tiff": (saved(rgb("CMYK"), "TIFF"), 8, "CMYK"),
    "tiff with palette": (saved(rgb("P"), "TIFF"), 8, "P"),
    "fax": (saved(rgb("1"), "TIFF", compression="group4"), 1, "1"),
    "lab tiff": (saved(rgb("LAB"), "TIFF"), 8, "LAB"),
    "heif": (heif(rgb("RGBA")), 8, "RGBA"),
    "avif": (avif(picture()), 8, "RGB"),
    "grey avif": (avif(picture()[..., 0]), 8, "L"),
    "deep avif": (avif(DEEP[..., :3] >> 6, bitspersample=10), 10, "RGB"),
    "deepest avif": (avif(DEEP[..., :3] >> 4, bitspersample=12), 12, "RGB"),
}


@pytest.mark.parametrize("name", FORMS)
def test_bits_and_colours_are_those_of_the_file(name):
    data, bits, mode = FORMS[name]
    form = form_of(decode_photo(data))
    assert (form.bit_depth, form.color_mode, form.pages) == (bits, mode, 1)


@pytest.mark.parametrize("name", ["png of 4 bits", "deep png", "deep tiff with alpha", "fax", "gif", "jpeg", "TIFF"])
def test_others_count_the_same_bits_and_pages(name, tmp_path):
    data = FORMS[name][0] if name in FORMS else FILES[name][0]
    form = form_of(decode_photo(data))
    path = tmp_path / "photo"
    path.write_bytes(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        assert judge("tiffinfo", str(path)).count("TIFF Directory at offset") == form.pages
        assert f"Bits/Sample: {form.bit_depth}\n" in judge("tiffinfo", str(path))
    else:
        told = judge("exiftool", "-s3", "-n", "-BitDepth", "-BitsPerSample", "-BitsPerPixel", str(path)).split()
        assert told == [str(form.bit_depth)]
