from xml.dom import minidom

import pytest

from pasd_batch.photos.xmp import DIGITAL_SOURCE_TYPE, RestorationMarker, marked_xmp

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
EXISTING = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Someone's library">
 <r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <r:Description r:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    tiff:Orientation="6" xmp:Rating="4" ext:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/print">
   <dc:title><r:Alt><r:li xml:lang="x-default">Großmutter &amp; Kind, 1931</r:li></r:Alt></dc:title>
   <xmp:Thumbnails><r:Alt><r:li>AAAA</r:li></r:Alt></xmp:Thumbnails>
  </r:Description>
 </r:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()


def _unexpected(message: str) -> None:
    raise AssertionError(message)


def _properties(packet: bytes) -> dict[tuple[str, str], list[str]]:
    """Every property given as an attribute, with its values."""
    found: dict[tuple[str, str], list[str]] = {}
    for description in minidom.parseString(packet).getElementsByTagNameNS(RDF, "Description"):
        for attribute in dict(description.attributes.itemsNS()).items():
            found.setdefault(attribute[0], []).append(attribute[1])
    return found


def test_a_new_packet_says_that_a_model_worked_on_it():
    properties = _properties(marked_xmp(None, MARKER, _unexpected))
    assert properties[IPTC, "DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]
    assert properties[IPTC, "AISystemUsed"] == ["pasd-batch 9.9, pasd-tiny"]
    assert properties["urn:pasd-batch:restoration#", "ConfigFingerprint"] == ["c0ffee"]


def test_an_existing_packet_keeps_what_it_says():
    merged = marked_xmp(EXISTING, MARKER, _unexpected)
    properties = _properties(merged)
    assert properties["http://ns.adobe.com/xap/1.0/", "Rating"] == ["4"]
    assert "Großmutter &amp; Kind, 1931" in merged.decode()
    assert "Someone's library" in merged.decode()
    assert properties[IPTC, "DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]


def test_what_no_longer_holds_is_left_out():
    merged = marked_xmp(EXISTING, MARKER, _unexpected).decode()
    assert "Orientation" not in merged
    assert "Thumbnails" not in merged


def test_marking_twice_is_marking_once():
    once = marked_xmp(EXISTING, MARKER, _unexpected)
    assert _properties(marked_xmp(once, MARKER, _unexpected)) == _properties(once)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_padding_and_other_encodings_are_read(encoding):
    text = EXISTING.decode().replace('begin="\ufeff" ', "")
    assert "Großmutter" in marked_xmp((text + "\0\n").encode(encoding), MARKER, _unexpected).decode()


@pytest.mark.parametrize(
    "packet",
    [
        b"not xml",
        b"<a/>",
        b"<x:xmpmeta",
        b'<!DOCTYPE a [<!ENTITY b "c">]><x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        b'<!DOCTYPE a [<!ENTITY b "'
        + b"c" * 1000
        + b'">'
        + b"".join(b'<!ENTITY b%d "%s">' % (n, (b"&b%d;" % (n - 1) if n else b"&b;") * 50) for n in range(8))
        + b"]><a>&b7;</a>",
    ],
)
def test_a_packet_that_cannot_be_read_is_replaced_with_a_warning(packet):
    warnings = []
    assert _properties(marked_xmp(packet, MARKER, warnings.append))[IPTC, "DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]
    assert "cannot be read" in warnings[0]


def test_a_packet_nested_beyond_reading_is_replaced():
    warnings = []
    deep = "<rdf:li>" * 1500 + "</rdf:li>" * 1500
    packet = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{deep}</rdf:RDF>'.encode()
    assert b"nested" not in marked_xmp(packet, MARKER, warnings.append)
    assert marked_xmp(packet, MARKER, warnings.append) == marked_xmp(None, MARKER, _unexpected)
    assert "nested too deeply" in warnings[0]


def test_the_summary_is_plain_ascii():
    marker = RestorationMarker("pasd-batch 1", "modèle", "ab")
    assert marker.summary == "pasd-batch 1 (restored by mod?le; config ab)"


ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
ELEMENT = EXISTING.decode()[EXISTING.decode().index("<x:xmpmeta") : EXISTING.decode().index("<?xpacket end")]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("before", ["", "\ufeff", "\n", '<?xpacket begin="\ufeff" id="x"?>', '<?xml version="1.0"?>'])
def test_every_encoding_of_unicode_is_read(before, encoding):
    packet = (before + ELEMENT).encode(encoding)
    assert "Großmutter &amp; Kind, 1931" in marked_xmp(packet, MARKER, _unexpected).decode()


def test_an_encoding_that_the_packet_declares_is_read():
    packet = ('<?xml version="1.0" encoding="ISO-8859-1"?>' + ELEMENT).encode("latin-1")
    assert "Großmutter &amp; Kind, 1931" in marked_xmp(packet, MARKER, _unexpected).decode()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Groß".encode(), b"Gro\xdf", "Großmutter"),
        (b"1931", b"19\x0131", "Kind, 1931"),
        (b"&amp; Kind", b"& Kind", "Großmutter &amp; Kind"),
        (b"</x:xmpmeta>", b"</x:xmpmeta>junk<\0\xff", "Großmutter"),
        (b"<x:xmpmeta", b"\x02junk<x:xmpmeta", "Großmutter"),
    ],
)
def test_a_packet_that_breaks_rules_of_xml_is_repaired_with_a_warning(old, new, expected):
    warnings: list[str] = []
    merged = marked_xmp(EXISTING.replace(old, new), MARKER, warnings.append).decode()
    assert expected in merged
    assert len(warnings) == 1
    assert "broke XML's rules and was repaired" in warnings[0]
    assert "Orientation" not in merged


@pytest.mark.parametrize("packet", [b"<junk", b"\xff\xfe<\0", b"\0", b"<x:xmpmeta></x:xmpmeta>"])
def test_what_cannot_be_repaired_is_replaced_with_a_warning(packet):
    warnings: list[str] = []
    marked_xmp(packet, MARKER, warnings.append)
    assert "cannot be read and is replaced" in warnings[0]
