from pathlib import Path

import numpy as np
import pytest
from evaluation.captions import caption_of, read_captions
from evaluation.methods import Pasd
from evaluation.photo_sets import PHOTO_SETS, make_sample

QUICK = ["sampling.steps=1", "sampling.min_short_side=64", "sampling.guidance_scale=1"]
SHIPPED = Path(__file__).parents[2] / "benchmarks" / "captions"


@pytest.mark.parametrize(("name", "photos"), [("train", 267), ("kodak", 24)])
def test_every_photo_has_a_caption_that_the_text_encoder_reads_whole(name: str, photos: int) -> None:
    captions = read_captions(SHIPPED / f"{name}.csv")
    assert len(captions) == photos
    assert all(3 < len(caption.encode()) <= 75 for caption in captions.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uri,caption\na.png,a house\n", "no column prompt"),
        ("uri,prompt\na.png,a house\nb.png,a tree\na.webp,a barn\n", "more than one caption for a"),
    ],
)
def test_what_is_wrong_with_captions_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "captions.csv"
    file.write_text(text)
    with pytest.raises(SystemExit, match=message):
        read_captions(file)
    with pytest.raises(SystemExit, match="cannot be read"):
        read_captions(tmp_path / "none.csv")


def test_each_photo_is_restored_with_its_own_caption(tiny_model_folder: Path) -> None:
    captions = {"a": "a red house", "b": "a tree at night"}
    plain = Pasd.load("tiny", tiny_model_folder, QUICK)
    captioned = Pasd.load("tiny", tiny_model_folder, QUICK, captions=captions)
    empty = Pasd.load("tiny", tiny_model_folder, QUICK, captions={"a": "", "b": ""})
    levels = np.random.default_rng(3).random((64, 64, 3)).astype(np.float32)
    first, second = (make_sample(levels, PHOTO_SETS["old-photo"], photo=name, seed=5) for name in captions)
    assert np.array_equal(plain.restore(first), empty.restore(first))
    assert not np.array_equal(plain.restore(first), captioned.restore(first))
    assert not np.array_equal(captioned.restore(first), captioned.restore(second))
    assert len({plain.key, captioned.key, empty.key, captioned.with_sampling("same", []).key}) == 3
    with pytest.raises(SystemExit, match="c has no caption"):
        caption_of("c", captions)
