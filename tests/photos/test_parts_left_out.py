"""What a file holds beside its photo is left out, and told: gain maps, previews, segments, what follows the end."""

import struct

import numpy as np
import pytest
from judges import judge
from photo_files import avif, heif, picture, saved
from PIL import Image

from pasd_batch.photos.heif_items import read_heif
from pasd_batch.photos.photo_io import decode_photo

FRAMES = [Image.fromarray(np.roll(picture(64, 64), 8 * step, axis=1)) for step in range(3)]


def webp_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def three(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)


@pytest.mark.parametrize("cleared", [False, True])
def test_what_no_picture_has_covered_of_its_canvas_is_transparent(tmp_path, cleared):
    """As libvips has it, and browsers; what they cover is at its place."""
    body = webp_chunk(b"VP8X", b"\x02\0\0\0" + three(63, 47)) + webp_chunk(b"ANIM", bytes(6))
    for samples, left, top in ((picture(24, 40), 10, 20), (picture(16, 20), 4, 8)):
        height, width = samples.shape[:2]
        place = three(left // 2, top // 2, width - 1, height - 1, 100) + bytes([cleared])
        body += webp_chunk(b"ANMF", place + saved(Image.fromarray(samples), "WEBP", lossless=True)[12:])
    data = webp_chunk(b"RIFF", b"WEBP" + body)
    (tmp_path / "photo.webp").write_bytes(data)
    for page, covered in ((1, 24 * 40), (2, 16 * 20 if cleared else 24 * 40 + 16 * 20 - 4 * 14)):
        judge("vips", "copy", f"{tmp_path / 'photo.webp'}[page={page - 1}]", str(tmp_path / "shown.png"))
        shown = np.asarray(Image.open(tmp_path / "shown.png").convert("RGBA")).astype(float)
        photo = decode_photo(data, page=page)
        assert photo.alpha is not None
        np.testing.assert_array_equal(photo.alpha * 255, shown[..., 3])
        assert photo.alpha.sum() == covered
        seen = photo.alpha > 0
        np.testing.assert_allclose(photo.pixels[seen] * 255, shown[..., :3][seen], atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        (b"urn:com:apple:photo:2020:aux:hdrgainmap", "a gain map"),
        (b"urn:mpeg:hevc:2015:auxid:2", "a depth map"),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth", "a depth map"),
        (b"urn:com:apple:photo:2018:aux:portraiteffectsmatte", "a matte"),
        (b"urn:mpeg:hevc:2015:auxid:1", None),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", None),
    ],
)
@pytest.mark.parametrize("container", ["HEIF", "AVIF"])
def test_auxiliary_pictures_are_told_but_transparency(container, kind, part):
    plain = picture(64, 64, 4)
    data = heif(Image.fromarray(plain, "RGBA")) if container == "HEIF" else avif(plain)
    place = data.index(b"auxC") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    new = (12 + len(kind) + 1).to_bytes(4, "big") + b"auxC" + bytes(4) + kind + b"\0"
    data = grown(data[:place] + new + data[place + size :], place, len(new) - size)
    expected = () if part is None else (f"pictures beside the photo are left out: {part}",)
    assert metadata_warnings(data, container) == expected


def grown(data: bytes, place: int, by: int) -> bytes:
    """The file with the boxes round `place` larger by as much as one within them."""
    changed = bytearray(data)
    for name in (b"meta", b"iprp", b"ipco"):
        at = data.index(name) - 4
        assert at < place
        changed[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + by).to_bytes(4, "big")
    return bytes(changed)


def metadata_warnings(data: bytes, container: str) -> tuple[str, ...]:
    """What is told of the container alone: the pictures of the changed file lie elsewhere than it says."""
    warnings: list[str] = []
    read_heif(data, warnings.append)
    return tuple(warnings)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_what_follows_the_end_of_a_jpeg_is_told_but_padding(options, mode):
    data = saved(FRAMES[0].convert(mode), "JPEG", **options)
    plain = decode_photo(data)
    for padding in (bytes(500), b"\xff" * 8, b"\r\n"):
        assert decode_photo(data + padding).warnings == plain.warnings == ()
    for further in (b"\0\0\0\x18ftypmp42" + bytes(3000) + b"mdat", saved(FRAMES[1], "JPEG")):
        photo = decode_photo(data + further)
        assert f"{len(further):,} bytes after the photo's end are left out" in photo.warnings[0]
        np.testing.assert_array_equal(photo.pixels, plain.pixels)


def test_the_index_of_further_pictures_in_a_jpeg_is_told():
    photo = decode_photo(saved(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:]))
    assert photo.warnings == (
        "further pictures of the file (MPF) are left out, such as a gain map, a preview or a second view",
    )


XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ([(0xE1, b"FLIR\0\1\0\0" + bytes(40))], "APP1 FLIR"),
        ([(0xE3, b"Meta\0\0II*\0")], "APP3 Meta"),
        ([(0xEC, b"[picture info]\nCamera=Olympus\n")], "APP12 [picture info]Camera=Olympus"),
        ([(0xED, b"Adobe_Photoshop2.5:" + bytes(8))], "APP13 Adobe_Photoshop2.5:"),
        ([(0xE5, b"\1\2"), (0xE5, b"\1\2")], "APP5"),
        ([(0xE1, XMP), (0xE1, XMP)], "APP1 http://ns.adobe.com/xap/1.0/"),
        ([(0xE0, b"JFXX\0\x10")], None),
        ([(0xEC, b"Ducky\0\1\0\4\0\0\0\x50\0\0")], None),
        ([(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))], None),
    ],
)
def test_segments_that_no_other_format_has_a_place_for_are_told(segments, told):
    data = saved(FRAMES[0], "JPEG")
    made = b"".join(bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body for marker, body in segments)
    photo = decode_photo(data[:2] + made + data[2:])
    message = f"segments that no other file has a place for are left out: {told}"
    assert photo.warnings == (() if told is None else (message,))


def test_a_preview_within_a_jpeg_is_not_what_follows_it():
    exif = Image.Exif()
    exif[270] = "a farm"
    data = saved(FRAMES[0], "JPEG", exif=exif)
    preview = saved(FRAMES[1], "JPEG")
    segment = b"\xff\xe5" + (len(preview) + 2).to_bytes(2, "big") + preview
    assert decode_photo(data[:2] + segment + data[2:]).warnings == ()
