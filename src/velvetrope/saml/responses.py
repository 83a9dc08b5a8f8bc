"""SAML responses: an identity provider's word that a person signed in, verified.

    assertion = verify_response(
        document, provider=parse_metadata(metadata), audiences={"urn:amazon:webservices"},
        recipients={"https://signin.aws.amazon.com/saml"}, request_id=None, now=now,
    )

The steps, in the order that is the security argument:

1. form: a `Response` with one assertion, plain or encrypted, and no second one hidden anywhere;
2. signature: the response's, or the assertion's, or both; from here on only what a key of the provider signed is read;
3. issuer, status, destination;
4. conditions: audience, times, and no condition that is not understood;
5. the subject, and its bearer confirmation: recipient, time, request.

What stands outside of what was signed can refuse a response, and can do nothing else. A response that answers a request
must name it (`request_id`); one that answers none must be expected as such (`request_id=None`) and must name none. Who
makes no requests and cannot know of them (STS is shown responses that a browser or a tool asked for) says so with
`ANY_REQUEST`.

An assertion is dead at `NotOnOrAfter`, not after it. Clocks that run ahead get `CLOCK_SKEW`; the dead get nothing. That
the same assertion does not come twice is for the caller to see to, by `assertion_id`, where it matters.

Sources: saml-core-2.0-os sections 2 and 3; saml-profiles-2.0-os section 4.1.4.3, processing rules for bearer
assertions; the findings of "On Breaking SAML" (see `signatures`).
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from velvetrope.saml.assertions import VerifiedAssertion, read_attributes, read_name_id, read_session
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
from velvetrope.saml.encryption import decrypt_assertion, not_decryptable
from velvetrope.saml.errors import (
    AudienceMissing,
    IssuerUnknown,
    MalformedDocument,
    RecipientMismatch,
    RequestMismatch,
    ResponseExpired,
    ResponseNotYetValid,
    SamlRefused,
    SignatureInvalid,
    StatusNotSuccess,
    SubjectNotConfirmed,
)
from velvetrope.saml.metadata import IdentityProvider
from velvetrope.saml.signatures import is_signed, verified_element

__all__ = [
    "ANY_REQUEST",
    "CLOCK_SKEW",
    "MAX_RESPONSE_BYTES",
    "SUCCESS",
    "AnyRequest",
    "check_issuer",
    "check_version",
    "verify_response",
]


class AnyRequest(Enum):
    """That the request which a response answers, if any, is not looked at."""

    ANY_REQUEST = "any request"


ANY_REQUEST: Final = AnyRequest.ANY_REQUEST

MAX_RESPONSE_BYTES: Final = 256 * 1024
CLOCK_SKEW: Final = timedelta(minutes=5)

SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_ENTITY_FORMAT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
_CONDITIONS: Final = frozenset(
    {f"{ASSERTION}AudienceRestriction", f"{ASSERTION}OneTimeUse", f"{ASSERTION}ProxyRestriction"}
)
_STATEMENTS: Final = frozenset({f"{ASSERTION}AuthnStatement", f"{ASSERTION}AttributeStatement"})
_CHILDREN: Final = _STATEMENTS | {
    f"{ASSERTION}Issuer",
    f"{ASSERTION}Subject",
    f"{ASSERTION}Conditions",
    f"{ASSERTION}Advice",
    f"{SIGNATURE}Signature",
}


def verify_response(
    document: bytes,
    *,
    provider: IdentityProvider,
    audiences: Collection[str],
    recipients: Collection[str],
    request_id: str | AnyRequest | None,
    now: datetime,
    decryption_keys: Sequence[rsa.RSAPrivateKey] = (),
    encryption_required: bool = False,
) -> VerifiedAssertion:
    """What `provider` vouches for in this response (XML, not base64).

    `audiences` are the names that we go by, `recipients` the addresses that responses for us are sent to; one of each
    must be named. With `encryption_required` a plain assertion is refused.

    Raises:
        SamlRefused: one of its kinds, the first that the steps above find.
    """
    root = parse_document(document, max_bytes=MAX_RESPONSE_BYTES)
    _check_form(root)
    response, assertion = _signed_parts(root, provider, decryption_keys, encryption_required=encryption_required)
    _check_response(response, provider, recipients, request_id)
    check_issuer(assertion, provider, needed=True)
    check_version(assertion)
    if not assertion.get("ID"):
        raise MalformedDocument(
            "The assertion has no ID", detail="one that the response's signature covers needs it too"
        )
    issued_at = parse_moment(assertion.get("IssueInstant", ""))
    if issued_at > now + CLOCK_SKEW:
        raise ResponseNotYetValid("The response is not yet valid", detail="the assertion was issued in the future")
    audience, ends = _check_conditions(assertion, audiences, now)
    subject = child_of(assertion, f"{ASSERTION}Subject")
    if subject is None:
        raise SubjectNotConfirmed("The assertion names no subject", detail="there is no Subject")
    name_id = read_name_id(subject)
    recipient, answered = _confirmed(subject, recipients, request_id, now)
    session_index, session_ends, authenticated_at, context = read_session(assertion)
    if session_ends is not None and now >= session_ends:
        raise ResponseExpired("Response has expired", detail="the session at the identity provider has ended")
    return VerifiedAssertion(
        assertion_id=assertion.get("ID"),
        issuer=provider.entity_id,
        issued_at=issued_at,
        not_on_or_after=_last_end(subject, ends),
        name_id=name_id,
        recipient=recipient,
        audience=audience,
        attributes=read_attributes(assertion),
        in_response_to=answered,
        session_index=session_index,
        session_not_on_or_after=session_ends,
        authenticated_at=authenticated_at,
        authentication_context=context,
    )


def _check_form(root: Element) -> None:
    """One assertion, where it belongs; signatures only where SAML has them."""
    if root.tag != f"{PROTOCOL}Response":
        raise MalformedDocument("The document is not a SAML response", detail=f"its root is {root.tag}")
    check_version(root)
    plain = list(root.iter(f"{ASSERTION}Assertion"))
    encrypted = list(root.iter(f"{ASSERTION}EncryptedAssertion"))
    if len(plain) + len(encrypted) > 1 or any(found.getparent() is not root for found in (*plain, *encrypted)):
        raise MalformedDocument(
            "The response has another assertion than one", detail="one assertion, below the response"
        )
    homes = (root, *plain)
    if any(found.getparent() not in homes for found in root.iter(f"{SIGNATURE}Signature")):
        raise SignatureInvalid("Response signature invalid", detail="a signature stands where SAML has none")


def check_version(element: Element) -> None:
    """
    Raises:
        MalformedDocument: it is of another version of SAML.
    """
    if element.get("Version") != "2.0":
        raise MalformedDocument("The document is not SAML 2.0", detail=f"Version is {element.get('Version')!r}")


def _signed_parts(
    root: Element,
    provider: IdentityProvider,
    keys: Sequence[rsa.RSAPrivateKey],
    *,
    encryption_required: bool,
) -> tuple[Element, Element]:
    """The response to hold against the rules, and the assertion as it was signed."""
    certificates = provider.signing_certificates
    response, response_is_signed = root, is_signed(root)
    if response_is_signed:
        response = verified_element(root, root, certificates)
    _check_status(response)
    assertion = child_of(response, f"{ASSERTION}Assertion")
    if assertion is not None:
        if encryption_required:
            raise not_decryptable("the assertion must be encrypted, and is not")
        # Signed twice, both count: a response that its provider signed around a forged assertion is a forgery too.
        if is_signed(assertion) or not response_is_signed:
            assertion = verified_element(response, assertion, certificates)
        return response, assertion
    encrypted = child_of(response, f"{ASSERTION}EncryptedAssertion")
    if encrypted is None:
        raise MalformedDocument("The response has another assertion than one", detail="there is no assertion")
    try:
        text = decrypt_assertion(encrypted, keys)
        inner = parse_document(text, max_bytes=MAX_RESPONSE_BYTES)
        _check_inner_form(inner)
        if is_signed(inner) or not response_is_signed:
            inner = verified_element(inner, inner, certificates)
    except SamlRefused as finding:
        # One finding for all of it: see `encryption`.
        raise not_decryptable(finding.detail or finding.message) from finding
    return response, inner


def _check_inner_form(inner: Element) -> None:
    if inner.tag != f"{ASSERTION}Assertion" or len(list(inner.iter(f"{ASSERTION}Assertion"))) != 1:
        raise MalformedDocument("The response has another assertion than one", detail="one assertion was encrypted")
    if any(found.getparent() is not inner for found in inner.iter(f"{SIGNATURE}Signature")):
        raise SignatureInvalid("Response signature invalid", detail="a signature stands where SAML has none")


def _check_status(response: Element) -> None:
    status = child_of(response, f"{PROTOCOL}Status")
    code = None if status is None else child_of(status, f"{PROTOCOL}StatusCode")
    value = "" if code is None else code.get("Value", "")
    if value != SUCCESS:
        inner = "" if code is None else " ".join(found.get("Value", "") for found in code)
        raise StatusNotSuccess(
            "The identity provider did not authenticate anybody", detail=f"status {value or 'missing'} {inner}".rstrip()
        )


def _check_response(
    response: Element, provider: IdentityProvider, recipients: Collection[str], request_id: str | AnyRequest | None
) -> None:
    check_issuer(response, provider, needed=False)
    destination = response.get("Destination")
    if destination is not None and destination not in recipients:
        raise RecipientMismatch("The response was sent to somebody else", detail=f"its Destination is {destination}")
    _check_request(response.get("InResponseTo"), request_id)


def check_issuer(element: Element, provider: IdentityProvider, *, needed: bool) -> None:
    """
    Raises:
        IssuerUnknown: the element names somebody else than `provider`, or nobody although it is `needed`.
    """
    issuer = child_of(element, f"{ASSERTION}Issuer")
    if issuer is None:
        if needed:
            raise IssuerUnknown("Issuer not present in specified provider", detail="the assertion has no Issuer")
        return
    if issuer.get("Format", _ENTITY_FORMAT) != _ENTITY_FORMAT or text_of(issuer) != provider.entity_id:
        raise IssuerUnknown(
            "Issuer not present in specified provider",
            detail=f"the issuer is {text_of(issuer)!r}, not {provider.entity_id}",
        )


def _check_request(named: str | None, expected: str | AnyRequest | None) -> None:
    if named is not None and expected is not ANY_REQUEST and named != expected:
        raise RequestMismatch(
            "The response is not the answer to this request",
            detail="InResponseTo names a request" if expected is None else "InResponseTo names another request",
        )


def _check_conditions(assertion: Element, audiences: Collection[str], now: datetime) -> tuple[str, datetime | None]:
    """The audience that is ours, and when the assertion ends if it says so."""
    if any(child.tag not in _CHILDREN for child in assertion):
        raise MalformedDocument("The assertion says something that is not understood", detail="an unknown statement")
    conditions = child_of(assertion, f"{ASSERTION}Conditions")
    restrictions = [] if conditions is None else children_of(conditions, f"{ASSERTION}AudienceRestriction")
    if conditions is None or not restrictions:
        raise AudienceMissing(
            "Response does not contain the required audience.", detail="it has no AudienceRestriction"
        )
    if any(child.tag not in _CONDITIONS for child in conditions):
        # Section 2.5.1.1: a condition that is not understood leaves the assertion indeterminate.
        raise MalformedDocument("The assertion says something that is not understood", detail="an unknown condition")
    begins, ends = conditions.get("NotBefore"), conditions.get("NotOnOrAfter")
    if begins is not None and parse_moment(begins) > now + CLOCK_SKEW:
        raise ResponseNotYetValid("The response is not yet valid", detail=f"NotBefore is {begins}")
    if ends is not None and now >= parse_moment(ends):
        raise ResponseExpired("Response has expired", detail=f"NotOnOrAfter of the conditions is {ends}")
    named = [[text_of(found) for found in children_of(r, f"{ASSERTION}Audience")] for r in restrictions]
    # Several restrictions must all hold (section 2.5.1.4).
    ours = [next((name for name in names if name in audiences), None) for names in named]
    if None in ours or ours[0] is None:
        raise AudienceMissing("Response does not contain the required audience.", detail=f"it is for {named}")
    return ours[0], None if ends is None else parse_moment(ends)


def _confirmed(
    subject: Element, recipients: Collection[str], request_id: str | AnyRequest | None, now: datetime
) -> tuple[str, str | None]:
    """Recipient and request of the first bearer confirmation that holds; else the finding about the first one."""
    first: SamlRefused | None = None
    for confirmation in children_of(subject, f"{ASSERTION}SubjectConfirmation"):
        if confirmation.get("Method") != _BEARER:
            continue
        try:
            return _check_bearer(confirmation, recipients, request_id, now)
        except SamlRefused as finding:
            first = first or finding
    raise first or SubjectNotConfirmed("The assertion confirms no bearer", detail="no confirmation by bearer")


def _check_bearer(
    confirmation: Element, recipients: Collection[str], request_id: str | AnyRequest | None, now: datetime
) -> tuple[str, str | None]:
    data = child_of(confirmation, f"{ASSERTION}SubjectConfirmationData")
    recipient = None if data is None else data.get("Recipient")
    ends = None if data is None else data.get("NotOnOrAfter")
    if data is None or recipient is None or ends is None or data.get("NotBefore") is not None:
        raise SubjectNotConfirmed(
            "The assertion confirms no bearer", detail="Recipient and NotOnOrAfter are needed, NotBefore is not allowed"
        )
    if recipient not in recipients:
        raise RecipientMismatch("The response was sent to somebody else", detail=f"its Recipient is {recipient}")
    if now >= parse_moment(ends):
        raise ResponseExpired("Response has expired", detail=f"NotOnOrAfter of the confirmation is {ends}")
    named = data.get("InResponseTo")
    _check_request(named, request_id)
    if isinstance(request_id, str) and named is None:
        raise RequestMismatch("The response is not the answer to this request", detail="it names no request")
    return recipient, named


def _last_end(subject: Element, conditions_end: datetime | None) -> datetime:
    """When no confirmation can hold any more: one that does not hold here and now may hold elsewhere or later."""
    data = subject.iter(f"{ASSERTION}SubjectConfirmationData")
    last = max(parse_moment(found.get("NotOnOrAfter")) for found in data if found.get("NotOnOrAfter") is not None)
    return last if conditions_end is None else min(conditions_end, last)
