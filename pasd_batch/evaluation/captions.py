"""Captions of photos: the high-level prompt that each is restored with."""

import csv
from pathlib import Path

from pasd_batch.evaluation.errors import EvaluationError


def read_captions(file: Path) -> dict[str, str]:
    """Captions by the photos' names without ending, from a CSV with the columns `uri` and `prompt`.

    Raises:
        EvaluationError: the file cannot be read, has other columns, or names a photo twice.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened)
            if missing := {"uri", "prompt"} - set(reader.fieldnames or ()):
                raise EvaluationError(
                    f"{file}: no column {' and '.join(sorted(missing))}; captions need uri and prompt"
                )
            rows = [(Path(row["uri"]).stem, row["prompt"] or "") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{file} cannot be read as captions: {error}") from error
    captions = dict(rows)
    if len(captions) < len(rows):
        names = [name for name, _ in rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise EvaluationError(f"{file}: more than one caption for {', '.join(twice)}; leave one")
    return captions


def caption_of(photo: str, captions: dict[str, str]) -> str:
    """The caption of one photo.

    Raises:
        EvaluationError: it has none.
    """
    if photo not in captions:
        raise EvaluationError(f"{photo} has no caption; add it to the file of captions, or leave it out of the photos")
    return captions[photo]
