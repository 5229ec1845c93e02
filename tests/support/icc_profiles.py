"""Small ICC profiles made from scratch, to test with: matrix, grey and look-up-table ones."""

import struct

import numpy as np

ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"


def srgb_curve() -> bytes:
    values = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para" + struct.pack(">IHH5i", 0, 3, 0, *(round(value * 65536) for value in values))


def table_curve(table: np.ndarray) -> bytes:
    words = np.rint(table * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, len(table)) + words + b"\0" * (len(words) % 4)


def matrix_profile(matrix: np.ndarray, curve: bytes) -> bytes:
    colorants = {
        name: b"XYZ " + struct.pack(">I3i", 0, *(round(value * 65536) for value in matrix[:, column]))
        for column, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    return _profile(b"RGB ", b"XYZ ", {**colorants, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def grey_profile(curve: bytes) -> bytes:
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Ink on paper, very simply: lightness falls with each ink, colour is the naive complement."""
    corners = np.array(np.meshgrid(*[[0, 1]] * 4, indexing="ij")).reshape(4, -1).T  # last ink runs fastest
    rgb = (1 - corners[:, :3]) * (1 - corners[:, 3:])
    lightness = 100 * (0.3 * rgb[:, 0] + 0.59 * rgb[:, 1] + 0.11 * rgb[:, 2])
    red_green, yellow_blue = 60 * (rgb[:, 0] - rgb[:, 1]), 60 * (rgb[:, 1] - rgb[:, 2])
    return _profile(b"CMYK", b"Lab ", {b"A2B0": _lookup(4, _lab8(lightness, red_green, yellow_blue))})


def rgb_lookup_profile(*, both_ways: bool) -> bytes:
    """A space whose channels hold lightness and colour oddly, so that leaving it out would show."""
    corners = np.array(np.meshgrid(*[[0, 1]] * 3, indexing="ij")).reshape(3, -1).T.astype(float)
    forward = _lab8(
        100 * corners.mean(axis=1), 50 * (corners[:, 0] - corners[:, 1]), 50 * (corners[:, 1] - corners[:, 2])
    )
    # Perceptual; the colorimetric one is another space altogether, so that taking it would show.
    tags = {b"A2B0": _lookup(3, forward), b"A2B1": _lookup(3, forward[::-1])}
    if both_ways:
        tags[b"B2A0"] = _lookup(3, np.rint(corners[:, :1].repeat(3, axis=1) * 255).astype(np.uint8))
    return _profile(b"RGB ", b"Lab ", tags)


def _lab8(lightness: np.ndarray, red_green: np.ndarray, yellow_blue: np.ndarray) -> np.ndarray:
    return np.rint(np.stack([lightness * 2.55, red_green + 128, yellow_blue + 128], axis=1)).astype(np.uint8)


def _lookup(inputs: int, grid: np.ndarray) -> bytes:
    """An 8-bit look-up table of two points a side."""
    identity = [int(value * 65536) for value in np.eye(3).ravel()]
    ramp = bytes(range(256))
    head = b"mft1" + struct.pack(">IBBBB9i", 0, inputs, 3, 2, 0, *identity)
    return head + ramp * inputs + grid.tobytes() + ramp * 3


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    white = b"XYZ " + struct.pack(">I3i", 0, round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    description = b"desc" + struct.pack(">II", 0, 5) + b"test\0" + b"\0" * 78
    tags = {b"desc": description, b"wtpt": white, **tags}
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    size = offset + len(body)
    device = b"prtr" if space == b"CMYK" else b"mntr"
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, device, space, connection)
    header += (
        b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    )
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
