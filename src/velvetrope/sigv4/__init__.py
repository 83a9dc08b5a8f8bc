"""Is this request signed with this secret key, for this service and region, within this time window?

AWS Signature Version 4 for requests signed by header and for presigned queries, over the exact bytes received.
`parse_authorization` reads what a request claims, `check_scope` compares its scope, `verify_signature` proves it;
`scope_request` is these steps in their order, with the key's look-up left to its caller. `RepeatedSignature` is the
quick way for a request that differs from a verified one in query string, moment and signature only.
How a key is looked up, who owns it and what it may do is not known here.
"""

from velvetrope.sigv4.authorization import check_scope, may_be_presigned, parse_authorization
from velvetrope.sigv4.canonical import canonical_request, string_to_sign
from velvetrope.sigv4.errors import (
    ExpiredSessionToken,
    HeadersNotSigned,
    HostNotSigned,
    InvalidSessionToken,
    MalformedPath,
    MalformedQueryString,
    NoSignature,
    ScopeMismatch,
    SignatureExpired,
    SignatureIncomplete,
    SignatureMismatch,
    SignatureNotYetCurrent,
    SignatureRefused,
    UnknownAccessKey,
)
from velvetrope.sigv4.repeated import RepeatedSignature
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest, VerifiedSignature, first_by_name
from velvetrope.sigv4.scoped import ScopedRequest, scope_request
from velvetrope.sigv4.signing import sign_request
from velvetrope.sigv4.timestamps import parse_timestamp
from velvetrope.sigv4.verification import verify_signature

__all__ = [
    "ExpiredSessionToken",
    "HeadersNotSigned",
    "HostNotSigned",
    "InvalidSessionToken",
    "MalformedPath",
    "MalformedQueryString",
    "NoSignature",
    "PresentedSignature",
    "RepeatedSignature",
    "ScopeMismatch",
    "ScopedRequest",
    "SignatureExpired",
    "SignatureIncomplete",
    "SignatureMismatch",
    "SignatureNotYetCurrent",
    "SignatureRefused",
    "SignedRequest",
    "UnknownAccessKey",
    "VerifiedSignature",
    "canonical_request",
    "check_scope",
    "first_by_name",
    "may_be_presigned",
    "parse_authorization",
    "parse_timestamp",
    "scope_request",
    "sign_request",
    "string_to_sign",
    "verify_signature",
]
