"""Text of others for people: what it could do to a terminal or a page is shown instead."""

import re
import unicodedata
from collections.abc import Sequence

# What turns the direction of writing round, so that names look like others.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    """`text` with control characters, such as those of escape sequences, and invalid bytes of names as `\\x1b`.

    Line ends and tabs stay; `printable_line` is for what must be one line.
    """
    return "".join(character if character in "\n\t" else _shown(character) for character in text)


def printable_line(text: str) -> str:
    """`printable`, with line ends and tabs shown too."""
    return "".join(map(_shown, text))


def some_of(names: Sequence[str], most: int) -> str:
    """At most so many names in a line, and the number of the others."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE and not _DIRECTION.match(character):
        return character
    return character.encode("unicode_escape").decode()
