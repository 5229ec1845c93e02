"""A contact sheet: photos before and after, or as several methods left them, side by side at one size, with notes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pasd_batch.storage.printable import printable_line

CELL = 512
"""Pixels that an image of the sheet is wide and high at most."""

BACKGROUND = (250, 250, 248)
INK = (28, 28, 30)
FAINT = (110, 110, 112)

_NARROWEST = 320  # of two columns: room for the captions below
_MARGIN = 24
_GAP = 12
_TITLE_SIZE = 26
_TEXT_SIZE = 16
_LINE = 22


@dataclass(frozen=True, eq=False)
class SheetPhoto:
    """One row of the sheet.

    Images are float32 (height, width, 3), sRGB in [0, 1], of any sizes, one for each column; the last is the result.
    """

    name: str
    images: tuple[np.ndarray, ...]
    notes: tuple[str, ...] = ()
    """Lines below the name: sizes, scores."""


def contact_sheet(
    photos: Sequence[SheetPhoto], columns: Sequence[str] = ("before", "after"), *, title: str, cell: int = CELL
) -> Image.Image:
    """Rows of images below the columns' labels, each as large as fits `cell` x `cell` pixels, at most like the result.

    The images of a row are shown at one size, so that they can be compared: an input is enlarged by bicubic resampling
    as a viewer would.

    Raises:
        ValueError: there are no photos, or one has other than one image a column.
    """
    if not photos or any(len(photo.images) != len(columns) for photo in photos):
        raise ValueError(f"a contact sheet needs photos of {len(columns)} images, one for each of {', '.join(columns)}")
    widest = max(_shown_size(photo, cell)[0] for photo in photos)
    column = max(widest, min(cell, 2 * _NARROWEST // len(columns)))
    rows = [_row(photo, cell, column) for photo in photos]
    header = _header(title, columns, column)
    width = header.width
    height = header.height + sum(row.height for row in rows) + _MARGIN
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    top = 0
    for part in (header, *rows):
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def shrunk(photo: SheetPhoto, cell: int = CELL) -> SheetPhoto:
    """The photo at no more pixels than the sheet shows; the sheet is the same."""
    shown = _shown_size(photo, cell)
    return replace(photo, images=tuple(_at_most(image, shown) for image in photo.images))


def _header(title: str, columns: Sequence[str], column: int) -> Image.Image:
    part = _blank(len(columns), column, 2 * _MARGIN + _TITLE_SIZE + _LINE)
    draw = ImageDraw.Draw(part)
    text = _fitted(draw, title, part.width - 2 * _MARGIN, _TITLE_SIZE)
    draw.text((_MARGIN, _MARGIN // 2), text, INK, _font(_TITLE_SIZE))
    top = _MARGIN + _TITLE_SIZE + _GAP
    for number, label in enumerate(columns):
        draw.text((_left(number, column), top), label, FAINT, _font(_TEXT_SIZE))
    return part


def _row(photo: SheetPhoto, cell: int, column: int) -> Image.Image:
    shown = _shown_size(photo, cell)
    count = len(photo.images)
    width = _left(count, column) - _GAP - _MARGIN
    lines = [photo.name, *(line for note in photo.notes for line in _wrapped(note, width))]
    part = _blank(count, column, shown[1] + len(lines) * _LINE + 3 * _GAP)
    for number, image in enumerate(photo.images):
        part.paste(_resized(image, shown), (_left(number, column), 0))
    draw = ImageDraw.Draw(part)
    for number, line in enumerate(lines):
        text = _fitted(draw, line, width, _TEXT_SIZE)
        top = shown[1] + _GAP // 2 + number * _LINE
        draw.text((_MARGIN, top), text, FAINT if number else INK, _font(_TEXT_SIZE))
    return part


def _blank(columns: int, column: int, height: int) -> Image.Image:
    return Image.new("RGB", (_left(columns, column) - _GAP + _MARGIN, height), BACKGROUND)


def _left(number: int, column: int) -> int:
    """Position at which a column begins, counted from 0."""
    return _MARGIN + number * (column + _GAP)


def _shown_size(photo: SheetPhoto, cell: int) -> tuple[int, int]:
    """Width and height that all images of a row are shown at."""
    height, width = photo.images[-1].shape[:2]
    factor = min(cell / width, cell / height, 1.0)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _resized(image: np.ndarray, size: tuple[int, int]) -> Image.Image:
    pixels = np.clip(np.nan_to_num(image) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels, "RGB")
    shrinks = size[0] < picture.width or size[1] < picture.height
    return picture.resize(size, Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC)


def _at_most(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1] <= size[0] and image.shape[0] <= size[1]:
        return image
    return np.asarray(_resized(image, size), dtype=np.float32) / 255.0


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many pixels, as far as its words allow."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(_TEXT_SIZE).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    """The text in one line, cut in the middle where it is wider than so many pixels."""
    text = printable_line(" ".join(text.split()))
    kept = len(text)
    shown = text
    while draw.textlength(shown, _font(size)) > width and kept > 2:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
    return shown


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
