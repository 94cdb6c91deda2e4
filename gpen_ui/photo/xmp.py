"""Keeps an XMP packet true, and adds the note that a photo was restored. The packet is edited as text, in place: taken
apart and written anew it would come out with other prefixes, and what a program does not know would be at risk.

ISO 16684-1 (XMP) and IPTC Photo Metadata Standard 2023.2 (Digital Source Type).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr, unescape

NOTE_NAMESPACE = "urn:gpen-ui:restoration#"  # of the properties `gpen:Model`, `gpen:Strength`, ...
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
_SIZES = (("tiff:ImageWidth", 0), ("exif:PixelXDimension", 0), ("tiff:ImageLength", 1), ("exif:PixelYDimension", 1))


def fitted_xmp(xmp: bytes | None, size_wh: tuple[int, int], *, extended: bool) -> bytes | None:
    """The packet with its orientation upright, its sizes right, and without small pictures of the photo as it was.

    Args:
        extended: the part of the XMP outside the packet goes along.
    """
    text = _text(xmp)
    if text is None:
        return xmp or None
    text = _with_value(text, "tiff:Orientation", "1")
    for name, side in _SIZES:
        text = _with_value(text, name, str(size_wh[side]))
    text = _without(text, "xmp:Thumbnails")
    if not extended:
        text = _without(text, "xmpNote:HasExtendedXMP")
    return text.encode()


def orientation_in(xmp: bytes | None) -> int | None:
    """What the packet says about the orientation, as Exif counts it."""
    found = re.search(r"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])", _text(xmp) or "")
    return int(found.group(1)) if found else None


def xmp_without_gps(xmp: bytes | None) -> bytes | None:
    """The packet without coordinates, wherever in it they stand; a packet that is no text is dropped."""
    text = _text(xmp)
    return None if text is None else _without(text, r"[\w-]+:[Gg][Pp][Ss]\w*").encode()


def xmp_with_note(xmp: bytes | None, note: Mapping[str, str]) -> bytes | None:
    """The packet, or a new one, that says how the photo was restored; an earlier note of ours is replaced.

    Args:
        note: name of the property -> its text.
    """
    text = _text(xmp) if xmp else _EMPTY
    if text is None:
        return xmp
    text = _without_element(text, rf"\w+:Description(?=[^<>]*{re.escape(NOTE_NAMESPACE)})")
    text = _without(text, r"[\w-]+:[Dd]igital[Ss]ource[Tt]ype")
    end = re.search(r"</(\w+):RDF\s*>", text)
    if end is None:  # `<rdf:RDF .../>`: nothing in it
        text, end = _opened(text)
        if end is None:
            return xmp
    rdf = end.group(1)
    about = re.search(rf"\s{rdf}:about\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')", text)
    described = unescape(about.group(1) or about.group(2) or "") if about else ""
    facts = "".join(f"\n  <gpen:{name}>{escape(value)}</gpen:{name}>" for name, value in note.items())
    added = (
        f' <{rdf}:Description {rdf}:about={quoteattr(described)} xmlns:gpen="{NOTE_NAMESPACE}"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"\n  <Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>{facts}"
        f"\n </{rdf}:Description>\n"
    )
    return (text[: end.start()] + added + text[end.start() :]).encode()


def squeezed(xmp: bytes) -> bytes:
    """The packet without the padding at its end."""
    head, found, tail = xmp.rpartition(b"<?xpacket end")
    return head.rstrip() + b"\n" + found + tail if found else xmp


def _text(xmp: bytes | None) -> str | None:
    try:
        text = (xmp or b"").rstrip(b"\x00").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if ":RDF" in text else None


def _opened(text: str) -> tuple[str, re.Match[str] | None]:
    text = re.sub(r"<(\w+):RDF([^<>]*)/>", r"<\1:RDF\2></\1:RDF>", text, count=1)
    return text, re.search(r"</(\w+):RDF\s*>", text)


def _with_value(text: str, name: str, value: str) -> str:
    """A simple property, written as an attribute or as an element, set to a value where it stands."""
    text = re.sub(rf"(\s{name}\s*=\s*)([\"'])[^\"']*\2", rf"\g<1>\g<2>{value}\g<2>", text)
    return re.sub(rf"(<{name}>)[^<]*(</{name}>)", rf"\g<1>{value}\g<2>", text)


def _without(text: str, name: str) -> str:
    """The text without a property, written as an attribute or as an element; `name` is a regular expression."""
    return _without_element(re.sub(rf"\s{name}\s*=\s*(\"[^\"<]*\"|'[^'<]*')", "", text), name)


def _without_element(text: str, name: str) -> str:
    """The text without the elements of a name. In steps, not in one expression: that takes hours for a packet which
    opens thousands of elements and closes none."""
    kept, at = [], 0
    unclosed: set[str] = set()
    for opening in re.finditer(rf"<({name})(?:\s[^<>]*)?>", text):
        if opening.start() < at or opening.group(1) in unclosed:
            continue
        closing = f"</{opening.group(1)}>"
        end = opening.end() if opening.group().endswith("/>") else text.find(closing, opening.end()) + len(closing)
        if end < opening.end():
            unclosed.add(opening.group(1))
            continue
        kept.append(text[at : opening.start()])
        at = end
    return "".join(kept) + text[at:]
