"""SAML 2.0: what an identity provider's documents prove, and how one is asked.

    provider = parse_metadata(metadata_document)
    assertion = verify_response(response, provider=provider, audiences=…, recipients=…, request_id=None, now=now)
    location = redirect_url(AuthnRequest(request_id=…, issuer=…, destination=…, …), relay_state=state, signing_key=key)
    asked = verify_logout_request(message, provider=provider, recipients=…, now=now)

Pure: `now` is an argument, nothing is fetched, nothing is remembered. The room reads responses of the web browser
profile and logout messages (POST binding), and the metadata that names their keys; it does not know who asks, which
attributes mean what, or whether an assertion was shown before. lxml, signxml and cryptography do the XML and the
arithmetic; importing this room takes a tenth of a second, so the services that use it import it when the first document
comes.

Source: the OASIS SAML 2.0 documents (saml-core-2.0-os, saml-profiles-2.0-os, saml-metadata-2.0-os).
"""

from velvetrope.saml.assertions import NAME_ID_FORMAT, NameId, VerifiedAssertion
from velvetrope.saml.authn_requests import AuthnRequest
from velvetrope.saml.bindings import redirect_url
from velvetrope.saml.errors import (
    AssertionNotDecryptable,
    AudienceMissing,
    IssuerUnknown,
    MalformedDocument,
    MalformedMetadata,
    RecipientMismatch,
    RequestMismatch,
    ResponseExpired,
    ResponseNotYetValid,
    SamlRefused,
    SignatureInvalid,
    StatusNotSuccess,
    SubjectNotConfirmed,
)
from velvetrope.saml.logout import (
    LogoutRequest,
    LogoutResponse,
    RequestedLogout,
    claimed_issuer,
    verify_logout_request,
    verify_logout_response,
)
from velvetrope.saml.metadata import HTTP_POST, HTTP_REDIRECT, IdentityProvider, parse_metadata
from velvetrope.saml.responses import ANY_REQUEST, CLOCK_SKEW, MAX_RESPONSE_BYTES, AnyRequest, verify_response

__all__ = [
    "ANY_REQUEST",
    "CLOCK_SKEW",
    "HTTP_POST",
    "HTTP_REDIRECT",
    "MAX_RESPONSE_BYTES",
    "NAME_ID_FORMAT",
    "AnyRequest",
    "AssertionNotDecryptable",
    "AudienceMissing",
    "AuthnRequest",
    "IdentityProvider",
    "IssuerUnknown",
    "LogoutRequest",
    "LogoutResponse",
    "MalformedDocument",
    "MalformedMetadata",
    "NameId",
    "RecipientMismatch",
    "RequestMismatch",
    "RequestedLogout",
    "ResponseExpired",
    "ResponseNotYetValid",
    "SamlRefused",
    "SignatureInvalid",
    "StatusNotSuccess",
    "SubjectNotConfirmed",
    "VerifiedAssertion",
    "claimed_issuer",
    "parse_metadata",
    "redirect_url",
    "verify_logout_request",
    "verify_logout_response",
    "verify_response",
]
