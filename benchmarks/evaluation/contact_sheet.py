"""A contact sheet: the same part of a photo as every method left it, side by side, at the pixels' own size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evaluation.photo_sets import to_8_bit
from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.report.render import BACKGROUND, FAINT, INK

_MARGIN = 16
_GAP = 8
_LINE = 24
_TEXT = 16


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One photo: its pictures from left to right, float32 (height, width, 3) in [0, 1].

    Pictures smaller than the largest are enlarged without smoothing, so that their own pixels are seen.
    """

    name: str
    pictures: tuple[np.ndarray, ...]


def contact_sheet(rows: Sequence[SheetRow], columns: Sequence[str], *, title: str, cell: int = 320) -> Image.Image:
    """Rows of pictures under column labels, each the middle `cell` x `cell` pixels of the photo (or all of it).

    Raises:
        ValueError: there are no rows, or a row has other than one picture a column.
    """
    if not rows or any(len(row.pictures) != len(columns) for row in rows):
        raise ValueError(f"a sheet needs rows of {len(columns)} pictures, one for each of {', '.join(columns)}")
    cell = min(cell, max(side for row in rows for picture in row.pictures for side in picture.shape[:2]))
    width, height = sheet_size(len(rows), len(columns), cell=cell)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN // 2), title, INK, ImageFont.load_default(_TEXT + 4))
    for number, label in enumerate(columns):
        draw.text((_left(number, cell), _MARGIN + _LINE), label, FAINT, ImageFont.load_default(_TEXT))
    for index, row in enumerate(rows):
        top = _MARGIN + 2 * _LINE + index * (cell + _LINE + _GAP)
        for number, picture in enumerate(row_cells(row, cell)):
            sheet.paste(picture, (_left(number, cell), top))
        draw.text((_MARGIN, top + cell), row.name, INK, ImageFont.load_default(_TEXT))
    return sheet


def sheet_size(rows: int, columns: int, *, cell: int) -> tuple[int, int]:
    """Width and height of a sheet in pixels."""
    width = 2 * _MARGIN + columns * cell + (columns - 1) * _GAP
    return width, 2 * _MARGIN + 2 * _LINE + rows * (cell + _LINE + _GAP)


def row_cells(row: SheetRow, cell: int) -> list[Image.Image]:
    """The middle of every picture, all of the same part of the photo."""
    height, width = (max(picture.shape[axis] for picture in row.pictures) for axis in (0, 1))
    cells = []
    for picture in row.pictures:
        image = Image.fromarray(to_8_bit(picture))
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.NEAREST)
        left, top = max(0, width - cell) // 2, max(0, height - cell) // 2
        cells.append(image.crop((left, top, left + min(cell, width), top + min(cell, height))))
    return cells


def choose_rows(names: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Which photos are shown: a choice that depends on seed and names alone, never on how they came out."""
    return sorted(sorted(names, key=lambda name: photo_seed(seed, f"sheet/{name}"))[:count])


def _left(column: int, cell: int) -> int:
    return _MARGIN + column * (cell + _GAP)
