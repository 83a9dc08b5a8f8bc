"""What a verified assertion says, as values.

A `VerifiedAssertion` is made by `responses.verify_response` and by nothing else. `attributes` keeps every `Attribute`
by its `Name`, with all of its values as texts, in order; two attributes of one name are one. A value that is no text
refuses the assertion, with one exception: one that is a `NameID`, as `eduPersonTargetedID` has it, counts as the name's
text.

Source: saml-core-2.0-os section 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from velvetrope.saml.documents import ASSERTION, Element, child_of, children_of, parse_moment, text_of
from velvetrope.saml.errors import MalformedDocument, SubjectNotConfirmed

__all__ = ["NAME_ID_FORMAT", "NameId", "VerifiedAssertion", "read_attributes", "read_name_id", "read_session"]

NAME_ID_FORMAT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
_UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


@dataclass(frozen=True, slots=True)
class NameId:
    """The subject's name. `format` is the full URN; the qualifiers are empty where the provider sets none."""

    value: str
    format: str = _UNSPECIFIED
    name_qualifier: str = ""
    sp_name_qualifier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAssertion:
    """What an identity provider vouches for about one person.

    `assertion_id` is for whoever must not take the same assertion twice, until `not_on_or_after`: from then on it is
    taken by nobody, by none of its confirmations. `recipient` is the address of ours that it was sent to,
    `in_response_to` the request that it answers (None if nobody asked). `session_index` names the session at the
    provider, for logout; what stands on it ends at `session_not_on_or_after`.
    """

    assertion_id: str
    issuer: str
    issued_at: datetime
    not_on_or_after: datetime
    name_id: NameId
    recipient: str
    audience: str
    attributes: Mapping[str, tuple[str, ...]]
    in_response_to: str | None = None
    session_index: str | None = None
    session_not_on_or_after: datetime | None = None
    authenticated_at: datetime | None = None
    authentication_context: str | None = None


def read_name_id(subject: Element) -> NameId:
    """The name in a `Subject`.

    Raises:
        SubjectNotConfirmed: there is none, or it is encrypted on its own, which is not taken.
    """
    element = child_of(subject, f"{ASSERTION}NameID")
    value = "" if element is None else text_of(element)
    if element is None or not value:
        raise SubjectNotConfirmed("The assertion names no subject", detail="there is no NameID in the Subject")
    return NameId(
        value,
        element.get("Format", _UNSPECIFIED),
        element.get("NameQualifier", ""),
        element.get("SPNameQualifier", ""),
    )


def read_attributes(assertion: Element) -> dict[str, tuple[str, ...]]:
    """All attributes by name.

    Raises:
        MalformedDocument: an attribute without a name, an encrypted one, or a value that is no text.
    """
    found: dict[str, tuple[str, ...]] = {}
    for statement in children_of(assertion, f"{ASSERTION}AttributeStatement"):
        for attribute in statement:
            name = attribute.get("Name", "")
            if attribute.tag != f"{ASSERTION}Attribute" or not name:
                raise MalformedDocument("The document has an attribute that is none", detail="encrypted, or nameless")
            values = tuple(_value_of(value) for value in children_of(attribute, f"{ASSERTION}AttributeValue"))
            found[name] = (*found.get(name, ()), *values)
    return found


def _value_of(element: Element) -> str:
    name = child_of(element, f"{ASSERTION}NameID")
    if name is not None and len(element) == 1 and not (element.text or "").strip():
        return text_of(name)
    return text_of(element)


def read_session(assertion: Element) -> tuple[str | None, datetime | None, datetime | None, str | None]:
    """Session index, end of the session, moment and class of the authentication, as far as they are said."""
    statement = child_of(assertion, f"{ASSERTION}AuthnStatement")
    if statement is None:
        return None, None, None, None
    context = child_of(statement, f"{ASSERTION}AuthnContext")
    kind = None if context is None else child_of(context, f"{ASSERTION}AuthnContextClassRef")
    return (
        statement.get("SessionIndex"),
        _moment(statement, "SessionNotOnOrAfter"),
        _moment(statement, "AuthnInstant"),
        None if kind is None else text_of(kind),
    )


def _moment(element: Element, name: str) -> datetime | None:
    value = element.get(name)
    return None if value is None else parse_moment(value)
