"""Masks of local photos: found by name, and exact in the files of results."""

import dataclasses

import numpy as np
import pytest
import tiny_models
from photo_files import deep_picture, picture, png16, saved
from PIL import Image

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.batch.local.finding import LocalPhoto
from pasd_batch.batch.local.masks import masks_of
from pasd_batch.batch.local.restoring import restore_photos
from pasd_batch.config.photos import DecodeLimits, OutputSettings
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.pasd import padding
from pasd_batch.pasd.geometry import Size
from pasd_batch.photos.photo import to_tensor, with_restored_image
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo

SMALL = {"sampling": {"scale": 1.5, "steps": 1, "min_short_side": 64, "guidance_scale": 1.0}}


def local(folder, name):
    return LocalPhoto(str(folder / name), name, f"{folder}/")


def test_masks_are_found_by_their_photos_names(tmp_path):
    for name in ("masks/sub/a.png", "masks/sub/a.jpg", "masks/b.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    photos = [local(tmp_path / "in", name) for name in ("sub/a.jpg", "b.tif")]
    masks = tmp_path / "masks"
    assert masks_of(masks, photos) == [str(masks / "sub/a.png"), str(masks / "b.tif")]
    assert masks_of(masks / "b.tif", photos[:1]) == [str(masks / "b.tif")]
    assert masks_of(None, photos) == [None, None]
    (masks / "b-p0002.png").touch()
    pages = [dataclasses.replace(photos[1], page=number) for number in (1, 2)]
    assert masks_of(masks, pages) == [str(masks / "b.tif"), str(masks / "b-p0002.png")]
    for given, more, told in (
        ("", [], "empty name, perhaps of a variable that is not set"),
        (masks / "b.tif", [], "one mask, but 2 photos; restore one, or name a folder"),
        (masks / "gone", [], "no such file or folder"),
        (masks, [local(tmp_path / "in", "c.jpg")], "masks: no mask of .*c.jpg; a mask has its photo's name"),
    ):
        with pytest.raises(CannotRestore, match=told):
            masks_of(given, [*photos, *more])


@pytest.mark.parametrize(
    ("data", "depth"), [(png16(deep_picture()), 16), (saved(Image.fromarray(picture()), "PNG"), 8)]
)
def test_black_parts_of_a_result_file_are_the_photos_enlargement_bit_by_bit(tiny_model_folder, tmp_path, data, depth):
    (tmp_path / "a.png").write_bytes(data)
    photo = decode_photo(data, limits=DecodeLimits())
    levels = np.zeros((photo.height, photo.width), np.uint8)
    levels[:, photo.width // 2 :] = 255
    Image.fromarray(levels).save(tmp_path / "mask.png")
    model = {"base": str(tiny_model_folder), "control": str(tiny_model_folder), "device": "cpu"}
    settings = RestoreSettings.parse({**SMALL, "model": model})
    (row,) = restore_photos([tmp_path / "a.png"], tmp_path / "out", settings, masks=tmp_path / "mask.png")
    assert row["status"] == "ok", row["error_message"]
    assert row["mask_uri"] == str(tmp_path / "mask.png")
    own = padding.resize(to_tensor(photo)[None], Size(photo.height, photo.width).scaled(1.5))[0]
    expected = encode_photo(
        with_restored_image(photo, own), settings=OutputSettings(), marker=RestorationMarker("", "", "")
    )
    made, plain = (
        decode_photo(each, limits=DecodeLimits()) for each in ((tmp_path / "out/a.png").read_bytes(), expected)
    )
    assert made.bit_depth == depth
    middle = made.width // 2
    assert np.array_equal(made.pixels[:, : middle - 1], plain.pixels[:, : middle - 1])
    assert not np.array_equal(made.pixels[:, middle:], plain.pixels[:, middle:])


def test_skip_done_knows_results_of_other_masks(tmp_path):
    photo, mask, out = tmp_path / "a.png", tmp_path / "mask.png", tmp_path / "out"
    Image.new("RGB", (24, 16), (9, 99, 9)).save(photo)
    Image.new("L", (24, 16), 0).save(mask)
    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: tiny_models.TinyRestorer(2.0))

    def made(masks):
        return len(restore_photos([photo], out, loaders=loaders, skip_done=True, masks=masks))

    assert [made(masks) for masks in (mask, mask, None, None, mask)] == [1, 0, 1, 0, 1]
    Image.new("L", (24, 16), 255).save(mask)
    assert made(mask) == 1


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (b"", "EmptyPhoto", ""),
        (b"no picture", "UnsupportedPhoto", ""),
        (saved(Image.new("L", (30, 16)), "PNG"), "UnusableMask", "not the proportions of the photo's 24x16"),
    ],
)
def test_a_mask_that_cannot_be_used_fails_its_photo(tmp_path, content, error, told):
    Image.new("RGB", (24, 16), (9, 99, 9)).save(tmp_path / "a.png")
    (tmp_path / "mask.png").write_bytes(content)
    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: tiny_models.TinyRestorer(2.0))
    (row,) = restore_photos([tmp_path / "a.png"], tmp_path / "out", loaders=loaders, masks=tmp_path / "mask.png")
    assert (row["status"], row["error_stage"], row["error_type"]) == ("failed", "mask", error)
    assert told in row["error_message"]
    assert row["error_message"].endswith(f"this is about the photo's mask_uri {tmp_path / 'mask.png'}")


@pytest.mark.parametrize(("level", "warned"), [(0, True), (128, False)])
def test_a_mask_that_is_black_all_over_is_a_warning(tmp_path, level, warned):
    Image.new("RGB", (24, 16), (9, 99, 9)).save(tmp_path / "a.png")
    Image.new("L", (24, 16), level).save(tmp_path / "mask.png")
    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: tiny_models.TinyRestorer(2.0))
    (row,) = restore_photos([tmp_path / "a.png"], tmp_path / "out", loaders=loaders, masks=tmp_path / "mask.png")
    told = "mask: it is black all over, so that the photo is only enlarged; white is restored"
    assert (row["status"], row["warnings"]) == ("ok", [told] if warned else [])


def test_a_photo_is_not_its_own_mask(tmp_path):
    Image.new("L", (24, 16), 99).save(tmp_path / "a.png")
    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: tiny_models.TinyRestorer(2.0))
    (row,) = restore_photos([tmp_path / "a.png"], tmp_path / "out", loaders=loaders, masks=tmp_path)
    assert (row["error_stage"], row["error_type"]) == ("mask", "UnusableMask")
    assert "the mask is the photo itself" in row["error_message"]
