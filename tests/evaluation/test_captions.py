from pathlib import Path

import pytest

from pasd_batch.evaluation.captions import caption_of, read_captions
from pasd_batch.evaluation.errors import EvaluationError

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
    with pytest.raises(EvaluationError, match=message):
        read_captions(file)
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_captions(tmp_path / "none.csv")


def test_a_photo_without_a_caption_is_named() -> None:
    assert caption_of("a", {"a": "a red house"}) == "a red house"
    with pytest.raises(EvaluationError, match="c has no caption"):
        caption_of("c", {"a": "a red house"})
