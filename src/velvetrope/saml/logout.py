"""Single logout: the request that ends a person's sessions everywhere, and its answer, both ways.

    request = LogoutRequest(request_id=…, issuer=entity_id, destination=url, name_id=…, session_index=…, issued_at=now)
    location = redirect_url(request, relay_state=state, signing_key=key)
    verify_logout_response(document, provider=provider, recipients=…, request_id=request.request_id, now=now)

    asked = verify_logout_request(document, provider=provider, recipients=…, now=now)
    answer = LogoutResponse(response_id=…, issuer=entity_id, destination=url, in_response_to=asked.request_id, …)

What comes in has come by the POST binding and is signed in the XML, always: an unsigned request would let anybody end
anybody's sessions (saml-profiles-2.0-os section 4.4.4.1 wants it authenticated). The steps are those of `responses`:
form, signature, and from there on nothing but what was signed: issuer, destination, time, request.

That one request does not count twice is for the caller to see to, by `request_id`, until `not_on_or_after`.

Sources: saml-core-2.0-os section 3.7; saml-profiles-2.0-os section 4.4; saml-bindings-2.0-os section 3.5.5.2 (a signed
message has a Destination).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lxml import etree

from velvetrope.saml.assertions import NameId, read_name_id
from velvetrope.saml.bindings import check_message_id, instant
from velvetrope.saml.documents import (
    ASSERTION,
    PROTOCOL,
    SIGNATURE,
    Element,
    child_of,
    children_of,
    parse_document,
    parse_moment,
    text_of,
)
from velvetrope.saml.errors import (
    MalformedDocument,
    RecipientMismatch,
    RequestMismatch,
    ResponseExpired,
    ResponseNotYetValid,
    SignatureInvalid,
    StatusNotSuccess,
)
from velvetrope.saml.metadata import IdentityProvider
from velvetrope.saml.responses import CLOCK_SKEW, MAX_RESPONSE_BYTES, SUCCESS, check_issuer, check_version
from velvetrope.saml.signatures import verified_element

__all__ = [
    "LogoutRequest",
    "LogoutResponse",
    "RequestedLogout",
    "claimed_issuer",
    "verify_logout_request",
    "verify_logout_response",
]

_STATUS: Final = "urn:oasis:names:tc:SAML:2.0:status:"
_PARTIAL: Final = f"{_STATUS}PartialLogout"
_MESSAGE_LIFETIME: Final = timedelta(minutes=5)
"""How old a logout message may be that does not say when it ends. UNVERIFIED what AWS takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """We ask the identity provider to end the session in which it vouched for `name_id`."""

    request_id: str
    issuer: str
    destination: str
    name_id: NameId
    session_index: str | None
    issued_at: datetime

    def __post_init__(self) -> None:
        check_message_id(self.request_id)

    @property
    def field_name(self) -> str:
        return "SAMLRequest"

    def render(self) -> bytes:
        """The request as XML."""
        root = _message("LogoutRequest", self.request_id, self.issuer, self.destination, self.issued_at)
        root.set("NotOnOrAfter", instant(self.issued_at + _MESSAGE_LIFETIME))
        named = {
            "Format": self.name_id.format,
            "NameQualifier": self.name_id.name_qualifier,
            "SPNameQualifier": self.name_id.sp_name_qualifier,
        }
        name = etree.SubElement(root, f"{ASSERTION}NameID", {key: value for key, value in named.items() if value})
        name.text = self.name_id.value
        if self.session_index is not None:
            etree.SubElement(root, f"{PROTOCOL}SessionIndex").text = self.session_index
        text: bytes = etree.tostring(root)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutResponse:
    """We have done what the identity provider asked, or have not."""

    response_id: str
    issuer: str
    destination: str
    in_response_to: str
    issued_at: datetime

    def __post_init__(self) -> None:
        check_message_id(self.response_id)

    @property
    def field_name(self) -> str:
        return "SAMLResponse"

    def render(self) -> bytes:
        """The answer as XML."""
        root = _message("LogoutResponse", self.response_id, self.issuer, self.destination, self.issued_at)
        root.set("InResponseTo", self.in_response_to)
        status = etree.SubElement(root, f"{PROTOCOL}Status")
        etree.SubElement(status, f"{PROTOCOL}StatusCode", {"Value": SUCCESS})
        text: bytes = etree.tostring(root)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLogout:
    """Whom the identity provider wants signed out. No `session_indexes` means all of the person's sessions."""

    request_id: str
    name_id: NameId
    session_indexes: tuple[str, ...]
    not_on_or_after: datetime
    """The first moment at which the request is worth nothing."""


def verify_logout_request(
    document: bytes, *, provider: IdentityProvider, recipients: Collection[str], now: datetime
) -> RequestedLogout:
    """What an identity provider's `LogoutRequest` asks for. `recipients` are our addresses for it.

    Raises:
        SamlRefused: one of `errors`; nobody is signed out.
    """
    request = _verified(document, "LogoutRequest", provider, recipients)
    ends = _check_times(request, now)
    name_id = read_name_id(request)
    return RequestedLogout(
        request_id=request.get("ID"),
        name_id=name_id,
        session_indexes=tuple(text_of(found) for found in children_of(request, f"{PROTOCOL}SessionIndex")),
        not_on_or_after=ends,
    )


def verify_logout_response(
    document: bytes, *, provider: IdentityProvider, recipients: Collection[str], request_id: str, now: datetime
) -> None:
    """See that the identity provider has ended the session, in answer to our request.

    A partial logout counts: the provider's own session is over, and another service of its did not answer.

    Raises:
        SamlRefused: one of `errors`.
    """
    response = _verified(document, "LogoutResponse", provider, recipients)
    _check_times(response, now)
    if response.get("InResponseTo") != request_id:
        raise RequestMismatch("The response is not the answer to this request", detail="InResponseTo is another one")
    status = child_of(response, f"{PROTOCOL}Status")
    code = None if status is None else child_of(status, f"{PROTOCOL}StatusCode")
    values = [] if code is None else [code.get("Value"), *(inner.get("Value") for inner in code)]
    if SUCCESS not in values[:1] and _PARTIAL not in values:
        raise StatusNotSuccess("The identity provider did not sign out", detail=f"status {values}")


def claimed_issuer(document: bytes) -> str:
    """Who a message says that it is from. It is proven by nobody, and good for nothing but finding the keys to verify.

    Raises:
        MalformedDocument: it names nobody, or is no document that is read.
    """
    issuer = child_of(parse_document(document, max_bytes=MAX_RESPONSE_BYTES), f"{ASSERTION}Issuer")
    if issuer is None or not text_of(issuer):
        raise MalformedDocument("The document names no issuer", detail="there is no Issuer")
    return text_of(issuer)


def _message(kind: str, identifier: str, issuer: str, destination: str, issued_at: datetime) -> Element:
    root = etree.Element(
        f"{PROTOCOL}{kind}",
        {"ID": identifier, "Version": "2.0", "IssueInstant": instant(issued_at), "Destination": destination},
        nsmap={"samlp": PROTOCOL.strip("{}"), "saml": ASSERTION.strip("{}")},
    )
    etree.SubElement(root, f"{ASSERTION}Issuer").text = issuer
    return root


def _verified(document: bytes, kind: str, provider: IdentityProvider, recipients: Collection[str]) -> Element:
    """The message as it was signed, from the provider and for us."""
    root = parse_document(document, max_bytes=MAX_RESPONSE_BYTES)
    if root.tag != f"{PROTOCOL}{kind}":
        raise MalformedDocument(f"The document is not a SAML {kind}", detail=f"its root is {root.tag}")
    if any(found.getparent() is not root for found in root.iter(f"{SIGNATURE}Signature")):
        raise SignatureInvalid("Signature invalid", detail="a signature stands where SAML has none")
    message = verified_element(root, root, provider.signing_certificates)
    check_version(message)
    check_issuer(message, provider, needed=True)
    destination = message.get("Destination")
    if destination not in recipients:
        raise RecipientMismatch("The message was sent to somebody else", detail=f"its Destination is {destination}")
    return message


def _check_times(message: Element, now: datetime) -> datetime:
    """When the message ends."""
    issued_at = parse_moment(message.get("IssueInstant", ""))
    if issued_at > now + CLOCK_SKEW:
        raise ResponseNotYetValid("The message is not yet valid", detail=f"it was issued at {issued_at}")
    ends = min(
        [parse_moment(message.get("NotOnOrAfter"))] if message.get("NotOnOrAfter") is not None else [],
        default=issued_at + _MESSAGE_LIFETIME,
    )
    if now >= ends:
        raise ResponseExpired("The message has expired", detail=f"it ended at {ends}")
    return ends
