"""What an AVIF's container does to its picture: a part of it is shown, turned and mirrored."""

from pathlib import Path

import numpy as np
import pytest
from judges import judge
from PIL import Image

from pasd_batch.photos.photo_io import decode_photo

HEIGHT, WIDTH = 48, 64
APERTURE = ["--clap", "40,1,30,1,4,1,-2,1"]  # 40 x 30, its middle 4 to the right of and 2 above the picture's


def avif_file(folder: Path, *options: str) -> bytes:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.stack([rows * 4, columns * 3, np.full_like(rows, 90)], axis=2).astype(np.uint8)
    Image.fromarray(picture).save(folder / "in.png")
    judge("avifenc", "-y", "444", "-s", "9", *options, str(folder / "in.png"), str(folder / "out.avif"))
    return (folder / "out.avif").read_bytes()


@pytest.mark.parametrize("depth", ["8", "10"])
@pytest.mark.parametrize("aperture", [[], APERTURE], ids=["whole", "part"])
@pytest.mark.parametrize("exif_orientation", [1, 6])
def test_part_turn_and_mirror_are_applied_once_and_in_that_order(exif_orientation, aperture, depth, tmp_path):
    exif = Image.Exif()
    exif[274] = exif_orientation
    (tmp_path / "exif").write_bytes(exif.tobytes().removeprefix(b"Exif\0\0"))
    plain = decode_photo(avif_file(tmp_path, "-d", depth)).pixels
    part = plain[7:37, 16:56] if aperture else plain
    mirrors = ((None, 0), (None, 1)) if exif_orientation == 1 else ()  # avifenc itself puts EXIF's turn before a mirror
    # The container's word is the last: EXIF's orientation counts for nothing beside it
    for turn, mirror in ((1, None), (2, None), (3, 1), *mirrors):
        options = [*aperture, "-d", depth, "--exif", str(tmp_path / "exif")]
        options += [] if turn is None else ["--irot", str(turn)]
        options += [] if mirror is None else ["--imir", str(mirror)]
        shown = np.rot90(part, turn or 0)
        shown = shown if mirror is None else np.flip(shown, axis=mirror)
        photo = decode_photo(avif_file(tmp_path, *options))
        np.testing.assert_array_equal(photo.pixels, shown)


def test_the_part_is_the_one_that_imagemagick_shows(tmp_path):
    photo = decode_photo(avif_file(tmp_path, *APERTURE, "--irot", "1"))
    judge("convert", str(tmp_path / "out.avif"), f"PNG24:{tmp_path / 'out.png'}")
    shown = np.asarray(Image.open(tmp_path / "out.png")).astype(float)
    np.testing.assert_allclose(photo.pixels * 255, shown, atol=5)  # another decoder's colours


@pytest.mark.parametrize(("old", "new"), [(b"\0\0\0\x28\0\0\0\1", b"\0\0\0\xff\0\0\0\1"), (b"\0\0\0\1", bytes(4))])
def test_a_part_that_makes_no_sense_is_ignored_with_a_warning(old, new, tmp_path):
    data = avif_file(tmp_path, *APERTURE)
    start = data.index(b"clap") + 4
    photo = decode_photo(data[:start] + data[start : start + 32].replace(old, new) + data[start + 32 :])
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert "all of it is taken" in photo.warnings[0]
