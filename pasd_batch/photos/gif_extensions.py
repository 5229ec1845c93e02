"""Application extensions of GIF files: XMP (Adobe's XMP Specification, part 3) and an ICC profile."""

_XMP, _END_OF_XMP = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe"
_PROFILE = b"\x21\xff\x0bICCRGBG1012"


def xmp_of_gif(data: bytes) -> bytes | None:
    """The packet, which is not cut into blocks but followed by a trailer for readers of blocks."""
    _, _, rest = data.partition(_XMP)
    packet, trailer, _ = rest.partition(_END_OF_XMP)
    return packet if trailer else None


def profile_of_gif(data: bytes) -> bytes | None:
    """The ICC profile, joined from its blocks."""
    _, _, rest = data.partition(_PROFILE)
    pieces, at = list[bytes](), 0
    while at < len(rest) and (size := rest[at]) > 0:
        pieces.append(rest[at + 1 : at + 1 + size])
        at += 1 + size
    return b"".join(pieces) or None
