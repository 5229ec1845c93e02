"""Colour references of photos: loaded like them, of which the restorer gets the palette and the row the address."""

import dataclasses
import hashlib

import numpy as np
import pytest
import tiny_models
import torch
from photo_archive import BAD, picture, record, results, settings, spec, store_photos, write_plan
from PIL import Image

from pasd_batch.batch.worker.shard_worker import ShardWorker
from pasd_batch.pasd.color_reference import Palette

USED = {"sampling": {"color_fix": "reference"}}


class Watched(tiny_models.TinyRestorer):
    """Notes the palettes that it is given."""

    def __init__(self):
        super().__init__(2.0)
        self.palettes = []

    def restore(self, photos, *, palettes=None, **options):
        self.palettes += palettes
        return super().restore(photos, **options)


def rows_of_run(root, records, **changes):
    restorer = Watched()
    write_plan(root, records)
    loaders = dataclasses.replace(tiny_models.TINY, restorer=lambda settings: restorer)
    ShardWorker(spec(settings(root, **changes), loaders)).run(0)
    return results(root), restorer.palettes


@pytest.fixture
def photos(tmp_path):
    named = {f"{number}.png": picture(number) for number in range(2)}
    store_photos(tmp_path, named | {"like.jpg": picture(7, "JPEG"), "broken.jpg": BAD["truncated"]})
    return tmp_path


def test_a_photo_s_palette_is_its_references_and_its_row_and_file_say_so(photos):
    uri = str(photos / "like.jpg")
    records = [record(photos / "0.png", color_reference_uri=uri), record(photos / "1.png")]
    rows, palettes = rows_of_run(photos / "run", records, restoration=USED)
    pixels = np.asarray(Image.open(photos / "like.jpg"), np.float32) / 255
    expected = Palette.of(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    (given,) = [palette for palette in palettes if palette is not None]
    assert len(palettes) == 2
    np.testing.assert_allclose(given.mean, expected.mean, atol=1e-3)
    digest = hashlib.sha256((photos / "like.jpg").read_bytes()).hexdigest()
    assert [rows[f"{n}.png"]["color_reference_uri"] for n in range(2)] == [uri, None]
    assert [rows[f"{n}.png"]["color_reference_sha256"] for n in range(2)] == [digest, None]
    stored = [(photos / "run" / "images" / each.output_path).read_bytes() for each in records]
    assert [digest.encode() in data for data in stored] == [True, False]


def test_a_grey_reference_of_a_photo_in_colour_is_a_warning(photos):
    Image.open(photos / "like.jpg").convert("L").save(photos / "grey.png")
    Image.open(photos / "1.png").convert("L").save(photos / "1.png")
    records = [record(photos / f"{n}.png", color_reference_uri=str(photos / "grey.png")) for n in range(2)]
    rows, _ = rows_of_run(photos / "run", records, restoration=USED)
    assert [rows[f"{n}.png"]["status"] for n in range(2)] == ["ok", "ok"]
    assert rows["0.png"]["warnings"] == ["color reference: it is grey, and so is the result; name one in colour"]
    assert rows["1.png"]["warnings"] == []


@pytest.mark.parametrize(("name", "kind"), [("gone.png", "NotFound"), ("broken.jpg", "TruncatedPhoto")])
def test_a_reference_that_cannot_be_had_fails_its_photo_and_no_other(photos, name, kind):
    records = [record(photos / "0.png", color_reference_uri=str(photos / name)), record(photos / "1.png")]
    rows, _ = rows_of_run(photos / "run", records, restoration=USED)
    row = rows["0.png"]
    assert (row["status"], row["error_stage"], row["error_type"]) == ("failed", "reference", kind)
    told = row["error_message"]
    assert "this is about the photo's color_reference_uri" in told
    assert told.count(str(photos / name)) == 1
    assert rows["1.png"]["status"] == "ok"


def test_a_reference_that_the_color_fix_does_not_use_fails_its_photo(photos):
    rows, _ = rows_of_run(photos / "run", [record(photos / "0.png", color_reference_uri=str(photos / "like.jpg"))])
    assert (rows["0.png"]["error_stage"], rows["0.png"]["error_type"]) == ("settings", "InvalidSettings")
    assert "color_fix is wavelet, which uses none; set it to reference" in rows["0.png"]["error_message"]


def test_runs_that_do_not_restore_do_not_fetch_it(photos):
    records = [record(photos / "0.png", color_reference_uri=str(photos / "gone.png"))]
    rows, _ = rows_of_run(photos / "run", records, mode="score")
    assert (rows["0.png"]["status"], rows["0.png"]["color_reference_sha256"]) == ("ok", None)
