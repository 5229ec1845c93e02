"""Rows that are pages of a file: in photos' own settings, in ids and in names."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import json

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.base import ConfigError
from pasd_batch.config.photo_settings import PAGE, own_settings, page_of

PAGE_COLUMN = "file_page"
"""Column of manifests that this product makes of files' pages, null for a file with one."""


def pages_of_rows(table: pa.Table) -> list[int | None]:
    """Pages that rows in the common form are of; None where none is named, or none that can be."""
    if "settings" not in table.column_names:
        return [None] * table.num_rows
    named = pc.fill_null(pc.match_substring(table["settings"], f'"{PAGE}"'), False)
    if not pc.any(named).as_py():
        return [None] * table.num_rows
    return [_page(text) for text in table["settings"].to_pylist()]


def page_settings(page: int | None) -> str | None:
    """A photo's own settings that name its page."""
    return None if page is None else json.dumps({PAGE: page})


def page_id(photo_id: str, page: int | None) -> str:
    """The id of a page of a photo with an id; None: of all of it."""
    return photo_id if page is None else f"{photo_id}#page={page}"


def _page(settings: str | None) -> int | None:
    try:
        return page_of(own_settings(settings))
    except ConfigError:
        return None  # the row fails for it when its turn comes
