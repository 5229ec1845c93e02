"""Facts of an EXIF record (EXIF 3.0) about how a photo was made: camera and time."""

from dataclasses import dataclass
from datetime import datetime

from pasd_batch.photos.tiff_directory import CAMERA, Directory, MalformedDirectory, read_directories

_MAKE, _MODEL = 271, 272
_TAKEN, _DIGITIZED = 36867, 36868  # not DateTime (306), which is when the file was changed


@dataclass(frozen=True)
class ExifFacts:
    """Camera (maker and model) and time of a photo, None if the record lacks them; the time has no zone."""

    camera: str | None = None
    taken_at: datetime | None = None


def exif_facts(record: bytes | None) -> ExifFacts:
    """The facts in a photo's record (`PhotoMetadata.exif`)."""
    if record is None:
        return ExifFacts()
    try:
        exif = read_directories(record, lambda _: None)
    except MalformedDirectory:
        return ExifFacts()
    make, model = _text(exif.main, _MAKE), _text(exif.main, _MODEL)
    # Most models begin with their maker's name.
    named = model.casefold().startswith(make.casefold().split(" ")[0]) if make else True
    camera = model if model and named else f"{make} {model}".strip()
    camera_tags = exif.others.get(CAMERA, {})
    times = (_time(_text(camera_tags, tag)) for tag in (_TAKEN, _DIGITIZED))
    return ExifFacts(camera or None, next((time for time in times if time is not None), None))


def _text(directory: Directory, tag: int) -> str:
    value = directory.get(tag)
    return "" if value is None else " ".join(value.data.split(b"\0")[0].decode("utf-8", "replace").split())


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:  # blanks and zeros stand for an unknown time
        return None
