"""Damaged photos are told from whole ones, by a warning or, where it is asked for, an error."""

import numpy as np
import pytest
from photo_files import saved
from PIL import Image

from pasd_batch.config.photos import DecodeLimits, OnDamage
from pasd_batch.data.photo_io import CorruptPhoto, TruncatedPhoto, decode_photo

FAIL = DecodeLimits(on_damage=OnDamage.FAIL)
JPEG_OPTIONS = [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}, {"restart_marker_rows": 1}]


def textured(height: int = 160, width: int = 240) -> Image.Image:
    """Noise on gradients, so that damage anywhere changes pixels."""
    random = np.random.default_rng(11)
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([rows, columns, (rows + columns) // 2], axis=2)
    return Image.fromarray((smooth + random.integers(0, 40, smooth.shape)).clip(0, 255).astype(np.uint8))


def zeroed(data: bytes, start: int, count: int = 600) -> bytes:
    return data[:start] + bytes(count) + data[start + count :]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEG_OPTIONS, ids=str)
def test_damaged_jpegs_are_told(options, mode):
    """All but those in which what follows the damage happens to fit: to libjpeg, those are another photo."""
    data = saved(textured().convert(mode), "JPEG", **options)
    assert decode_photo(data, limits=FAIL).warnings == ()
    told = 0
    for share in (0.2, 0.4, 0.6, 0.8):
        start = int(len(data) * share)
        for damaged in (zeroed(data, start), data[:start] + data[start + 700 :]):
            for warning in decode_photo(damaged).warnings:
                told += 1
                assert "JPEG file is damaged" in warning
                with pytest.raises(CorruptPhoto, match=r"fetch it again, or set limits\.on_damage to warn"):
                    decode_photo(damaged, limits=FAIL)
    assert told >= 7


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEG_OPTIONS, ids=str)
def test_a_jpeg_without_its_end_marker_is_whole_and_a_cut_one_is_not(options, mode):
    data = saved(textured().convert(mode), "JPEG", **options)
    photo = decode_photo(data[:-2])
    np.testing.assert_array_equal(photo.pixels, decode_photo(data).pixels)
    assert photo.warnings == ("the JPEG file lacks its end marker, all of its photo is there",)
    for cut in (data[:-12], data[: len(data) // 2]):
        with pytest.raises(TruncatedPhoto, match="fetch it again"):
            decode_photo(cut)


def test_a_progressive_jpeg_cut_between_two_scans_is_not_whole():
    data = saved(textured(), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xc4"]
    for start in starts[-4:]:
        with pytest.raises(TruncatedPhoto):
            decode_photo(data[:start])


def test_the_end_marker_of_a_preview_is_not_the_photos():
    preview = saved(textured(40, 60), "JPEG")
    segment = b"\xff\xe5" + (len(preview) + 2).to_bytes(2, "big") + preview
    data = saved(textured(), "JPEG")
    data = data[:2] + segment + data[2:]
    assert decode_photo(data).warnings == ()
    with pytest.raises(TruncatedPhoto):
        decode_photo(data[: len(data) // 2])
