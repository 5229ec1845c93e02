"""Camera and time as EXIF tells them."""

from datetime import datetime

import pytest
from PIL import ExifTags, Image

from pasd_batch.photos.exif_facts import ExifFacts, exif_facts

BASE = ExifTags.Base


def record(main, camera=None) -> bytes:
    exif = Image.Exif()
    exif.update(main)
    exif.get_ifd(ExifTags.IFD.Exif).update(camera or {})
    return exif.tobytes()


@pytest.mark.parametrize(
    ("main", "told"),
    [
        ({BASE.Make: "NIKON CORPORATION", BASE.Model: "NIKON D90"}, "NIKON D90"),
        ({BASE.Make: "Canon", BASE.Model: "Canon EOS 5D"}, "Canon EOS 5D"),
        ({BASE.Make: "EPSON", BASE.Model: "Perfection V600"}, "EPSON Perfection V600"),
        ({BASE.Make: "  Leica \0"}, "Leica"),
        ({BASE.Model: "X100"}, "X100"),
        ({BASE.Artist: "Ann"}, None),
    ],
)
def test_the_camera_is_maker_and_model_named_once(main, told):
    assert exif_facts(record(main)).camera == told


def test_the_time_is_when_the_photo_was_taken_else_scanned_never_when_the_file_was_changed():
    changed = {BASE.DateTime: "2020:05:06 07:08:09"}
    taken, scanned = {BASE.DateTimeOriginal: "1999:12:31 23:59:58"}, {BASE.DateTimeDigitized: "2001:01:02 03:04:05"}
    assert exif_facts(record(changed, taken | scanned)).taken_at == datetime(1999, 12, 31, 23, 59, 58)
    assert exif_facts(record(changed, scanned)).taken_at == datetime(2001, 1, 2, 3, 4, 5)
    assert exif_facts(record(changed)).taken_at is None


@pytest.mark.parametrize(
    "unknown", ["0000:00:00 00:00:00", "    :  :     :  :  ", "", "yesterday", "1999:13:01 00:00:00"]
)
def test_a_time_that_is_none_is_unknown(unknown):
    assert exif_facts(record({}, {BASE.DateTimeOriginal: unknown})).taken_at is None


@pytest.mark.parametrize("junk", [None, b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_a_record_that_cannot_be_read_tells_nothing(junk):
    assert exif_facts(junk) == ExifFacts()
