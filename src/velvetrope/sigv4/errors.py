"""Why a signature is refused, as findings without a wire code; each service's table gives them one.

    SignatureRefused
    ├── NoSignature                nothing that looks like SigV4
    ├── SignatureIncomplete        it looks like SigV4 and cannot be read
    │   ├── MalformedPath          the path climbs above its root, or carries a broken %-escape
    │   └── MalformedQueryString   the query carries a broken %-escape
    ├── SignatureMismatch          recomputing gives another signature, or the request is signed in two ways
    │   ├── HostNotSigned          `host` is not among the signed headers
    │   └── HeadersNotSigned       a header that steers the service is not among the signed headers
    ├── SignatureExpired           signed too long ago
    ├── SignatureNotYetCurrent     signed too far in the future
    ├── ScopeMismatch              the credential scope names another day, region, service or terminator
    ├── UnknownAccessKey           no such key, or a temporary one without its token
    ├── InvalidSessionToken        the token is altered, foreign, or of another key
    └── ExpiredSessionToken        the token was good, but its session has ended

`message` is AWS's sentence. The last three are raised by whoever looks keys up; they live here so that everyone who
asks `principals.CredentialSource` knows them.

Sources: IAM User Guide, "Troubleshoot Signature Version 4 signing for AWS API requests"; texts as seen on AWS.
"""

from typing import Final

from velvetrope.errors import ReasonError

__all__ = [
    "ExpiredSessionToken",
    "HeadersNotSigned",
    "HostNotSigned",
    "InvalidSessionToken",
    "MalformedPath",
    "MalformedQueryString",
    "NoSignature",
    "ScopeMismatch",
    "SignatureExpired",
    "SignatureIncomplete",
    "SignatureMismatch",
    "SignatureNotYetCurrent",
    "SignatureRefused",
    "UnknownAccessKey",
]

_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignatureRefused(ReasonError):
    """The request is not proven to come from the key that it names."""


class SignatureIncomplete(SignatureRefused):
    """The Authorization header or the query parameters look like SigV4 and cannot be read."""


class MalformedPath(SignatureIncomplete):
    """The path climbs above its root, or carries a broken %-escape. AWS answers 400 with no body."""


class MalformedQueryString(SignatureIncomplete):
    """The query string carries a broken %-escape."""


class NoSignature(SignatureRefused):
    """Nothing in the request looks like SigV4.

    `incomplete` is set when there is an Authorization header of another scheme (`Bearer …`): services that read any
    such header as if it were SigV4, as execute-api does, answer with that finding instead.
    """

    def __init__(
        self,
        message: str = "Request is missing Authentication Token",
        *,
        detail: str = "",
        incomplete: SignatureIncomplete | None = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.incomplete = incomplete


class SignatureMismatch(SignatureRefused):
    """Recomputing gives another signature.

    `canonical_request` and `string_to_sign` are what we computed, for the client's eyes: the first echoes every signed
    header, a session token included, so neither belongs in a log. `short_message` is the same finding without them.
    """

    short_message = _MISMATCH

    def __init__(
        self, message: str = _MISMATCH, *, detail: str = "", canonical_request: str = "", string_to_sign: str = ""
    ) -> None:
        super().__init__(message, detail=detail)
        self.canonical_request = canonical_request
        self.string_to_sign = string_to_sign

    @classmethod
    def of(cls, canonical_request: str, string_to_sign: str) -> "SignatureMismatch":
        """The finding with AWS's long text, which shows what should have been signed."""
        message = (
            f"{_MISMATCH}\n\nThe Canonical String for this request should have been\n'{canonical_request}'"
            f"\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
        )
        return cls(
            message,
            detail="the signature differs from the one computed with this key's secret over the bytes received",
            canonical_request=canonical_request,
            string_to_sign=string_to_sign,
        )


class HostNotSigned(SignatureMismatch):
    """`host` is not among the signed headers, so the signature would hold for any host."""

    def __init__(self) -> None:
        super().__init__(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            detail="the signature does not cover the host header",
        )


class HeadersNotSigned(SignatureMismatch):
    """Headers that steer the service were sent and not signed; `header_names` lists them."""

    def __init__(self, header_names: tuple[str, ...]) -> None:
        super().__init__(
            "There were headers present in the request which were not signed",
            detail=f"sent but not signed: {', '.join(header_names)}",
        )
        self.header_names = header_names


class SignatureExpired(SignatureRefused):
    """Signed too long ago."""


class SignatureNotYetCurrent(SignatureRefused):
    """Signed too far in the future."""


class ScopeMismatch(SignatureRefused):
    """The credential scope names another day, region, service or terminator."""


class UnknownAccessKey(SignatureRefused):
    """No such access key, an inactive one, or a temporary one that came without its session token."""

    def __init__(
        self, message: str = "The security token included in the request is invalid.", *, detail: str = ""
    ) -> None:
        super().__init__(message, detail=detail)


class InvalidSessionToken(SignatureRefused):
    """The session token is altered, foreign, or belongs to another access key."""

    def __init__(
        # AWS's sentence has no full stop here, unlike that of an unknown key.
        self,
        message: str = "The security token included in the request is invalid",
        *,
        detail: str = "",
    ) -> None:
        super().__init__(message, detail=detail)


class ExpiredSessionToken(SignatureRefused):
    """The session token was good, but its session has ended."""

    def __init__(
        self, message: str = "The security token included in the request is expired", *, detail: str = ""
    ) -> None:
        super().__init__(message, detail=detail)
