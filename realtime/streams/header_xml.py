"""An MRD header's XML as elements without namespaces, and its numbers.

Whatever a scanner writes is untrusted: size, elements and entities are bounded before the parser
sees them.
"""

import math
import re
from xml.etree import ElementTree

from messages import HeaderError

MAX_XML_BYTES = 16 << 20
MAX_ELEMENTS = 10_000  # a 32-channel Siemens header has about 400; 20 ms to read
MAX_PIECES = 100_000  # the parser hands each end of a line and each entity over by itself
MAX_MATRIX = 65535  # MRD counts samples and lines in 16 bits

Element = ElementTree.Element

_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
# single bytes that cannot hide a "<" from the checks below
_ENCODINGS = {"us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "latin-1", "latin1", "windows-1252"}


def parse_root(xml: bytes) -> Element:
    """Return the header's root element. Raises HeaderError for what is no MRD header."""
    if len(xml) > MAX_XML_BYTES:
        raise HeaderError(f"{len(xml)} bytes, expected at most {MAX_XML_BYTES}", field="xml")
    text = _decoded(xml)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise HeaderError("has a DOCTYPE, expected none", field="xml")
    if text.count("<") > 2 * MAX_ELEMENTS:
        raise HeaderError(f"more than {MAX_ELEMENTS} elements", field="xml")
    # an MRD header has none but namespaces; a million of them take seconds to read
    if text.count("=") > 2 * MAX_ELEMENTS:
        raise HeaderError(f"more than {MAX_ELEMENTS} attributes", field="xml")
    if sum(text.count(one) for one in "\n\r&") > MAX_PIECES:
        raise HeaderError(f"more than {MAX_PIECES} lines and entities", field="xml")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise HeaderError(f"not XML: {error}", field="xml") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "ismrmrdHeader":
        raise HeaderError(f"root is <{root.tag[:64]}>, expected <ismrmrdHeader>", field="xml")
    return root


def child(element: Element | None, name: str) -> Element | None:
    """Return a child, None where it or its parent is missing."""
    return None if element is None else element.find(name)


def text_of(element: Element | None, name: str) -> str:
    """Return a child's text without the blanks around it, empty where it is missing."""
    return "" if element is None else (element.findtext(name) or "").strip()


def required(element: Element, name: str, path: str) -> Element:
    """Return a child. Raises HeaderError where it is missing."""
    found = element.find(name)
    if found is None:
        raise HeaderError("is missing", field=f"{path}.{name}")
    return found


def number(element: Element, path: str) -> float:
    """Return an element's number. Raises HeaderError where it is none, or not finite."""
    text = (element.text or "").strip()
    value = finite(text)
    if value is None:
        raise HeaderError(f"is {text[:40]!r}, expected a finite number", field=path)
    return value


def finite(text: str) -> float | None:
    """Return the number in a text, None where there is none or it is not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def integer(element: Element, name: str, path: str, *, least: int) -> int:
    """Return a child's whole number of 16 bits."""
    value = number(required(element, name, path), f"{path}.{name}")
    # Real converters write "80.0"; half a sample is another matter.
    if not value.is_integer() or not least <= value <= MAX_MATRIX:
        raise HeaderError(
            f"is {value:g}, expected a whole number from {least} to {MAX_MATRIX}",
            field=f"{path}.{name}",
        )
    return int(value)


def numbers(element: Element | None, name: str, path: str) -> list[float]:
    """Return the numbers of all children of a name."""
    if element is None:
        return []
    return [number(one, f"{path}.{name}") for one in element.findall(name)]


def optional(element: Element | None, name: str, path: str) -> float | None:
    """Return a number above 0; 0 is how converters write that they do not know."""
    found = child(element, name)
    if found is None or not (found.text or "").strip():
        return None
    value = number(found, f"{path}.{name}")
    if value < 0:
        raise HeaderError(f"is {value:g}, expected above 0", field=f"{path}.{name}")
    return value or None


def _decoded(xml: bytes) -> str:
    try:
        return xml.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # a patient's or a hospital's name from a console of long ago
        declared = _DECLARED.match(xml)
        name = declared[1].decode("ascii").lower() if declared else ""
        if name in _ENCODINGS:
            return xml.decode("latin-1" if name.endswith("ascii") else name, errors="replace")
        what = f"declared as {name}, which is not read" if name else "and declares no other"
        raise HeaderError(f"not UTF-8 at byte {error.start}, {what}", field="xml") from error
