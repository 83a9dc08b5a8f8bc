"""AWS_IAM: who signed this request.

The order is AWS's: the header is read, its time and scope held, the key found, the signature proven; the first finding
wins and becomes a refusal by `errors.SIGNATURE_REFUSALS`. A signature covers the verb that was sent, so
`X-HTTP-Method-Override` counts only if it was signed too.

A call that is the same as a proven one but for query string, moment and signature (`Likeness`) is proven the quick way:
its key is looked up and its signature computed as ever, and what its constant parts led to is not found a second time.
That needs no waiting, if the key is in memory (`recognise`). If it does not prove the call, for whatever reason, the
whole way is taken and says why.

Source: IAM User Guide, "Create a signed AWS API request"; orders and texts as in the project's reference on SigV4.
"""

from collections.abc import Mapping

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.execute_api.errors import SIGNATURE_REFUSALS, GatewayRefusal, InvalidSignature
from velvetrope.execute_api.protocols import CallerCredentials
from velvetrope.execute_api.requests import IncomingRequest
from velvetrope.principals import Principal, SigningCredentials
from velvetrope.sigv4 import (
    NoSignature,
    RepeatedSignature,
    ScopedRequest,
    SignatureRefused,
    SignedRequest,
    scope_request,
)

__all__ = ["METHOD_OVERRIDE", "SignatureAuthenticator"]

METHOD_OVERRIDE = b"x-http-method-override"
_SERVICE = "execute-api"
_SIGNATURE_DIGITS = 64


class _Proof(msgspec.Struct, frozen=True, gc=False):
    """How a call was proven, for those that are like it."""

    credentials: SigningCredentials
    session_token: str | None
    signature: RepeatedSignature


class SignatureAuthenticator:
    """Proves callers by SigV4, for `execute-api` in one region."""

    def __init__(self, credentials: CallerCredentials, *, region: str) -> None:
        self._credentials = credentials
        self._regions = (region,)

    def recognise(self, incoming: IncomingRequest, headers: Mapping[bytes, bytes]) -> Principal | None:
        """The principal whose key signed a call that is like a proven one; None if that has to be found out."""
        likeness = incoming.likeness
        if likeness is None or not isinstance(likeness.proof, _Proof):
            return None
        proof, now = likeness.proof, incoming.received_at
        first = proof.credentials
        try:
            found = self._credentials.recall_credentials(first.access_key_id, proof.session_token, now)
        except SignatureRefused:
            return None
        signature = headers[b"authorization"][-_SIGNATURE_DIGITS:]
        if found is first and proof.signature.is_of(incoming.query_string, headers[b"x-amz-date"], signature, now=now):
            return found.principal
        return None

    async def authenticate(self, incoming: IncomingRequest, headers: Mapping[bytes, bytes]) -> Principal:
        """The principal whose key signed `incoming`; `headers` are its headers by lower-case name.

        Raises:
            GatewayRefusal: the one that belongs to the first finding.
        """
        now, likeness = incoming.received_at, incoming.likeness
        request = SignedRequest(
            incoming.method, incoming.raw_path, incoming.query_string, incoming.headers, incoming.body, headers
        )
        try:
            scoped = scope_request(request, service=_SERVICE, regions=self._regions, now=now)
            found = await self._credentials.find_credentials(scoped.access_key_id, scoped.session_token, now)
            verified = scoped.verify(found.secret_access_key, now=now)
        except SignatureRefused as finding:
            raise _refusal(finding) from None
        if METHOD_OVERRIDE in headers and METHOD_OVERRIDE not in verified.signed_headers:
            raise InvalidSignature(
                "X-HTTP-Method-Override must be a 'SignedHeader' in the AWS Authorization.",
                step="authentication",
                detail="an unsigned header would change the method that the signature is for",
            )
        if likeness is not None:
            likeness.proof = _proof(request, scoped, found, headers)
        return found.principal


def _proof(
    request: SignedRequest, scoped: ScopedRequest, found: SigningCredentials, headers: Mapping[bytes, bytes]
) -> _Proof | None:
    if METHOD_OVERRIDE in headers or request.body:
        return None
    signature = RepeatedSignature.of(request, scoped.presented, found.secret_access_key)
    return None if signature is None else _Proof(found, scoped.session_token, signature)


def _refusal(finding: SignatureRefused) -> GatewayRefusal:
    shown: ReasonError = finding
    if isinstance(finding, NoSignature):
        if finding.incomplete is None:
            kind = SIGNATURE_REFUSALS[NoSignature]
            return kind(step="authentication", detail="the method asks for AWS_IAM and the request is not signed")
        shown = finding.incomplete
    kind = next(SIGNATURE_REFUSALS[base] for base in type(shown).__mro__ if base in SIGNATURE_REFUSALS)
    # What a mismatch tells its caller echoes every signed header, a session token included: the record gets the
    # finding's detail or its short form instead.
    short = getattr(shown, "short_message", shown.message)
    return kind(shown.message, step="authentication", detail=shown.detail or short)
