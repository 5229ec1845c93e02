"""Kinds of files that are taken for weights and are none, told by their first bytes."""

from pathlib import Path

_FIRST_BYTES = 64
_HEADER_LENGTH = 8
"""Bytes in which safetensors tell how long their header is; it begins behind them with a brace."""

_KINDS = {
    b"version https://git-lfs": "a pointer of Git LFS instead of the weights; get them with `git lfs pull`",
    b"<!doctype html": "a web page, perhaps of a download that needs a login; download the weights again",
    b"<html": "a web page, perhaps of a download that needs a login; download the weights again",
    b"PK\x03\x04": "a pickle or a zip under another name; convert it to safetensors",
    b"\x80\x02": "a pickle under another name; convert it to safetensors",
    b"GGUF": "a GGUF file, which is not read; take the safetensors of the same model",
}


def why_no_safetensors(path: Path) -> str | None:
    """Kind of a file that is no safetensors, and the remedy; None for what may be one, whole or damaged."""
    with path.open("rb") as file:
        first = file.read(_FIRST_BYTES)
    if not first:
        return "an empty file; copy or download it again"
    for mark, kind in _KINDS.items():
        if first.lower().startswith(mark.lower()):
            return kind
    if len(first) > _HEADER_LENGTH and first[_HEADER_LENGTH : _HEADER_LENGTH + 1] == b"{":
        return None
    if _is_text(first):
        return f"a text that begins with {first.decode().splitlines()[0][:40]!r}; name a file of weights"
    return None


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
