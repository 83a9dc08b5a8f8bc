"""What is wrong with a SAML document, one class per finding.

    ReasonError
    └── SamlRefused
        ├── MalformedDocument        no XML, or none that a SAML document may be
        ├── MalformedMetadata        no description of an identity provider
        ├── SignatureInvalid         not signed by a key of the identity provider, or not as SAML signs
        ├── AssertionNotDecryptable  encrypted for somebody else, or in a way that is not taken
        ├── IssuerUnknown            another identity provider's
        ├── StatusNotSuccess         the identity provider says that nobody signed in
        ├── AudienceMissing          for somebody else
        ├── RecipientMismatch        sent to somebody else
        ├── RequestMismatch          the answer to another request, or to one where none was made
        ├── ResponseExpired          at or past its end
        ├── ResponseNotYetValid      before its beginning
        └── SubjectNotConfirmed      no bearer confirmation that counts

The messages may be shown to anybody; `detail` says which rule of the documents was broken.
"""

from velvetrope.errors import ReasonError

__all__ = [
    "AssertionNotDecryptable",
    "AudienceMissing",
    "IssuerUnknown",
    "MalformedDocument",
    "MalformedMetadata",
    "RecipientMismatch",
    "RequestMismatch",
    "ResponseExpired",
    "ResponseNotYetValid",
    "SamlRefused",
    "SignatureInvalid",
    "StatusNotSuccess",
    "SubjectNotConfirmed",
]


class SamlRefused(ReasonError):
    """The base of every finding about a SAML document."""


class MalformedDocument(SamlRefused):
    """The text is not XML, is too long, or has another structure than the one that is read."""


class MalformedMetadata(SamlRefused):
    """The text does not describe one identity provider that could be trusted."""


class SignatureInvalid(SamlRefused):
    """No signature, one of another key, one over something else, or one by an algorithm that is not taken."""


class AssertionNotDecryptable(SamlRefused):
    """None of the keys opens the assertion. It says the same of every reason, and so nothing about the text."""


class IssuerUnknown(SamlRefused):
    """Response or assertion name another issuer than the identity provider."""


class StatusNotSuccess(SamlRefused):
    """The identity provider answers that the person was not authenticated. `detail` is its status."""


class AudienceMissing(SamlRefused):
    """The assertion is not restricted to an audience of ours."""


class RecipientMismatch(SamlRefused):
    """`Destination` or `Recipient` name an address that is not ours."""


class RequestMismatch(SamlRefused):
    """`InResponseTo` is not the id of the request that was made."""


class ResponseExpired(SamlRefused):
    """The assertion, or its confirmation, is at or past `NotOnOrAfter`."""


class ResponseNotYetValid(SamlRefused):
    """The assertion is before `NotBefore`, or was issued in the future, by more than clocks differ."""


class SubjectNotConfirmed(SamlRefused):
    """The subject has no name, or no bearer confirmation."""
