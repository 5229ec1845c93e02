"""Short texts that formats hold beside EXIF, XMP and IPTC: PNG's text chunks, comments of JPEG and GIF."""

from dataclasses import dataclass

COMMENT = "Comment"
"""Keyword of the one kind of text that JPEG and GIF have."""

SOFTWARE = "Software"
"""Keyword of the software that wrote a file; in the output it is this program, and the source's goes into XMP."""

MODIFIED = "tIME"
"""PNG's chunk for the time of the last change; not a keyword of a text chunk, but carried like one."""


@dataclass(frozen=True)
class Text:
    """A text under one of PNG's keywords (PNG 3, section 11.3.3), with its language, if known.

    Bytes of comments that are not UTF-8 are kept as Python's `surrogateescape` keeps them.
    """

    keyword: str
    text: str
    language: str = ""
    translated_keyword: str = ""

    @property
    def readable(self) -> str:
        """The text, read as Latin-1 if it has bytes that are not UTF-8 (kept as surrogates)."""
        return as_bytes(self).decode("latin-1") if any("\ud800" <= c <= "\udfff" for c in self.text) else self.text


def comment(content: bytes) -> Text:
    """A comment of JPEG or GIF, whose encoding is not specified."""
    return Text(COMMENT, content.rstrip(b"\0").decode("utf-8", "surrogateescape"))


def as_bytes(text: Text) -> bytes:
    """A comment's bytes as they were; other texts in UTF-8."""
    return text.text.encode("utf-8", "surrogateescape")
