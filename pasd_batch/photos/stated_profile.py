"""ICC profiles for colour spaces that a file states without one, so that every output format can carry them."""

import struct

import numpy as np

from pasd_batch.photos.color_space import Primaries

_VERSION_4_3 = 0x04300000
_D50 = (0.9642, 1.0, 0.8249)


def make_profile(primaries: Primaries) -> bytes:
    """A display profile (ICC.1:2010) of these primaries with sRGB's tone curve; the same bytes every time.

    Raises:
        ValueError: they span no colours.
    """
    curve = struct.pack(">4sIHH", b"para", 0, 3, 0) + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {
        b"desc": _text(f"RGB of primaries {primaries.red} {primaries.green} {primaries.blue}, curve of sRGB"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(np.array(_D50)),
        b"chad": b"sf32\0\0\0\0" + _fixed(*primaries.adaptation.ravel()),
        **{name: _xyz(primaries.to_xyz[:, column]) for column, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0" * 4, _VERSION_4_3, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + _fixed(*_D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded
