"""XML from strangers, read without doing anything that it asks for.

No document type, no entity, no network, no file. Comments and processing instructions are refused too: they split texts
in two for a reader that takes the first half of a name for the whole (CVE-2017-11427 and its siblings). Every id in a
document is there once. `text_of` is the whole text of an element and refuses one that has elements inside.

What comes out is lxml's element; whether anybody signed it is for `signatures` to say.

Sources: SAML 2.0 core (saml-core-2.0-os) sections 1.3, 5; OWASP, "SAML Security Cheat Sheet".
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from lxml import etree

from velvetrope.saml.errors import MalformedDocument

__all__ = [
    "ASSERTION",
    "ENCRYPTION",
    "ENCRYPTION_11",
    "METADATA",
    "PROTOCOL",
    "SIGNATURE",
    "Element",
    "child_of",
    "children_of",
    "parse_document",
    "parse_moment",
    "text_of",
]

Element: TypeAlias = Any
"""lxml's `_Element`, which has no public type."""

ASSERTION: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
PROTOCOL: Final = "{urn:oasis:names:tc:SAML:2.0:protocol}"
METADATA: Final = "{urn:oasis:names:tc:SAML:2.0:metadata}"
SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}"
ENCRYPTION: Final = "{http://www.w3.org/2001/04/xmlenc#}"
ENCRYPTION_11: Final = "{http://www.w3.org/2009/xmlenc11#}"

_ID_ATTRIBUTES: Final = frozenset({"id"})
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")


def parse_document(text: bytes, *, max_bytes: int) -> Element:
    """The root element of an XML document.

    Raises:
        MalformedDocument: longer than `max_bytes`, not well formed, with a document type, comments, processing
            instructions or entities, or with an id that two elements have.
    """
    if len(text) > max_bytes:
        raise MalformedDocument("The document is too long", detail=f"more than {max_bytes} bytes")
    # A new parser each time: one that is shared would remember names across documents of strangers.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedDocument("The document is not well-formed XML", detail=str(error)) from None
    information = root.getroottree().docinfo
    if information.doctype or information.internalDTD is not None or information.externalDTD is not None:
        raise MalformedDocument("The document has a document type", detail="no SAML document has a DTD")
    beside = [root.getprevious(), root.getnext()]
    if any(node is not None for node in beside) or any(not isinstance(node.tag, str) for node in root.iter()):
        raise MalformedDocument(
            "The document is not well-formed XML", detail="comments and processing instructions are not taken"
        )
    _check_ids(root)
    return root


def _check_ids(root: Element) -> None:
    # XML Signature finds what is signed by its id. Two elements of one id are how a signature is made to mean another
    # element than the one that is read.
    seen: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if etree.QName(name).localname.lower() in _ID_ATTRIBUTES:
                if value in seen:
                    raise MalformedDocument(
                        "The document is not well-formed XML", detail=f"the id {value} is not unique"
                    )
                seen.add(value)


def children_of(element: Element, tag: str) -> list[Element]:
    """The children with this tag (`{namespace}name`), in order."""
    return [child for child in element if child.tag == tag]


def child_of(element: Element, tag: str) -> Element | None:
    """The one child with this tag, or None.

    Raises:
        MalformedDocument: there is more than one.
    """
    found = children_of(element, tag)
    if len(found) > 1:
        raise MalformedDocument(
            "The document has an element too many", detail=f"more than one {etree.QName(tag).localname}"
        )
    return found[0] if found else None


def text_of(element: Element) -> str:
    """The text of an element that has nothing but text, without white space around it.

    Raises:
        MalformedDocument: there are elements inside.
    """
    if len(element):
        name = etree.QName(element.tag).localname
        raise MalformedDocument("The document has an element too many", detail=f"{name} is a text")
    return (element.text or "").strip()


def parse_moment(value: str) -> datetime:
    """A time as SAML writes it: `2026-01-02T03:04:05Z`, with or without a fraction of a second.

    Raises:
        MalformedDocument: another form, or another time zone than UTC (saml-core-2.0-os section 1.3.3).
    """
    found = _MOMENT.fullmatch(value)
    if found is None:
        raise MalformedDocument("The document has a time that is none", detail=f"{value!r} is not a time in UTC")
    try:
        whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        raise MalformedDocument("The document has a time that is none", detail=f"{value!r} is no time") from None
    # What is finer than a microsecond is let go of: rounding could lead past the last moment that there is.
    return whole + timedelta(microseconds=int((found[2] or ".")[1:7].ljust(6, "0")))
