"""A contact sheet: photos before and after, side by side at the same size, with what is known about each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (250, 250, 248)
INK = (28, 28, 30)
FAINT = (110, 110, 112)

_MARGIN = 24
_GAP = 12
_TITLE_SIZE = 26
_TEXT_SIZE = 16
_LINE = 22


@dataclass(frozen=True, eq=False)
class SheetPhoto:
    """One row of the sheet.

    Images are float32 (height, width, 3), sRGB in [0, 1], of any two sizes.
    """

    name: str
    before: np.ndarray
    after: np.ndarray
    notes: tuple[str, ...] = ()
    """Lines below the name: sizes, scores."""


def contact_sheet(photos: Sequence[SheetPhoto], *, title: str, cell: int = 512) -> Image.Image:
    """Rows of before | after, each image as large as fits `cell` x `cell` pixels, and never larger than the result.

    The two images of a row are shown at one size, so that they can be compared: the input is enlarged by bicubic
    resampling as a viewer would.

    Raises:
        ValueError: there are no photos.
    """
    if not photos:
        raise ValueError("a contact sheet needs a photo; this run has none that could be shown")
    rows = [_row(photo, cell) for photo in photos]
    header = _header(title, cell)
    width = 2 * _MARGIN + 2 * cell + _GAP
    height = header.height + sum(row.height for row in rows) + _MARGIN
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    top = 0
    for part in (header, *rows):
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def _header(title: str, cell: int) -> Image.Image:
    part = Image.new("RGB", (2 * _MARGIN + 2 * cell + _GAP, 2 * _MARGIN + _TITLE_SIZE + _LINE), BACKGROUND)
    draw = ImageDraw.Draw(part)
    draw.text(
        (_MARGIN, _MARGIN // 2), _fitted(draw, title, part.width - 2 * _MARGIN, _TITLE_SIZE), INK, _font(_TITLE_SIZE)
    )
    top = _MARGIN + _TITLE_SIZE + _GAP
    for column, text in enumerate(("before", "after")):
        draw.text((_MARGIN + column * (cell + _GAP), top), text, FAINT, _font(_TEXT_SIZE))
    return part


def _row(photo: SheetPhoto, cell: int) -> Image.Image:
    height, width = photo.after.shape[:2]
    factor = min(cell / width, cell / height, 1.0)
    shown = (max(1, round(width * factor)), max(1, round(height * factor)))
    lines = (photo.name, *photo.notes)
    part = Image.new("RGB", (2 * _MARGIN + 2 * cell + _GAP, shown[1] + len(lines) * _LINE + 3 * _GAP), BACKGROUND)
    for column, image in enumerate((photo.before, photo.after)):
        part.paste(_resized(image, shown), (_MARGIN + column * (cell + _GAP), 0))
    draw = ImageDraw.Draw(part)
    for number, line in enumerate(lines):
        text = _fitted(draw, line, part.width - 2 * _MARGIN, _TEXT_SIZE)
        draw.text((_MARGIN, shown[1] + _GAP // 2 + number * _LINE), text, FAINT if number else INK, _font(_TEXT_SIZE))
    return part


def _resized(image: np.ndarray, size: tuple[int, int]) -> Image.Image:
    pixels = np.clip(np.nan_to_num(image) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels, "RGB")
    shrinks = size[0] < picture.width or size[1] < picture.height
    return picture.resize(size, Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC)


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    """The text in one line, cut in the middle where it is wider than so many pixels."""
    text = " ".join(text.split())
    kept = len(text)
    shown = text
    while draw.textlength(shown, _font(size)) > width and kept > 2:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
    return shown


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
