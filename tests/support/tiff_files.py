"""TIFF files laid out by hand (TIFF 6.0, section 2), so that their values are known without any library's writer."""

import struct
import zlib

import imagecodecs
import numpy as np

CODES = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773}
_LETTERS = {1: "B", 3: "H", 4: "I"}

Tags = dict[int, tuple[int, list[int]]]
"""Kind and values by the tag's number."""


def tiff_file(
    samples: np.ndarray,
    *,
    bits: int,
    photometric: int,
    compression: str = "none",
    in_planes: bool = False,
    order: str = "<",
    tags: Tags | None = None,
) -> bytes:
    """Unsigned samples (height, width, channels), each plane in one strip."""
    height, width, channels = samples.shape
    planes = [samples[..., [channel]] for channel in range(channels)] if in_planes else [samples]
    strips = [_compressed(_packed(plane, bits, order), compression, height) for plane in planes]
    found: Tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * channels),
        259: (3, [CODES[compression]]),
        262: (3, [photometric]),
        273: (4, [0] * len(strips)),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [2 if in_planes else 1]),
        **(tags or {}),
    }
    start = len(_directory(found, order))
    found[273] = (4, [start + sum(len(strip) for strip in strips[:index]) for index in range(len(strips))])
    return _directory(found, order) + b"".join(strips)


def _packed(samples: np.ndarray, bits: int, order: str) -> bytes:
    rows = samples.reshape(len(samples), -1)
    if bits >= 8:
        return rows.astype(f"{order}u{bits // 8}").tobytes()
    single = rows[..., np.newaxis] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(single.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def _compressed(data: bytes, compression: str, height: int) -> bytes:
    size = len(data) // height
    match compression:
        case "lzw":
            return imagecodecs.lzw_encode(data)
        case "deflate":
            return zlib.compress(data)
        case "packbits":
            return b"".join(imagecodecs.packbits_encode(data[at : at + size]) for at in range(0, len(data), size))
        case _:
            return data


def _directory(tags: Tags, order: str) -> bytes:
    entries, values = b"", b""
    after = 8 + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        value = struct.pack(f"{order}{len(numbers)}{_LETTERS[kind]}", *numbers)
        if len(value) > 4:
            place = struct.pack(f"{order}I", after + len(values))
            values += value + b"\0" * (len(value) % 2)
            value = place
        entries += struct.pack(f"{order}HHI4s", tag, kind, len(numbers), value)
    header = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return header + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values
