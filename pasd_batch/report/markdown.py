"""Markdown of reports: tables, and text that stays text."""

import html
import re
from collections.abc import Iterable

from pasd_batch.storage.printable import printable_line

# Markdown's marks, `_` but within words, and what GitHub makes links of without any mark.
_MARKUP = re.compile(r"[\\`*\[\]#|~$@]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.|:(?=//)")


def markdown_table(title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A section with a table whose cells are plain text; nothing without rows."""
    lines = [" | ".join(as_text(cell) for cell in row) for row in rows]
    if not lines:
        return ""
    head = [" | ".join(header), " | ".join("---" for _ in header)]
    return "\n".join([f"## {title}", "", *(f"| {line} |" for line in [*head, *lines])])


def as_text(text: str) -> str:
    """Names and messages in one line, as text: no markup, no HTML, no links."""
    return html.escape(_MARKUP.sub(r"\\\g<0>", printable_line(" ".join(text.split()))), quote=False)
