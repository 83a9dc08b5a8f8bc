"""What a service provider sends to an identity provider: a request to authenticate somebody.

    request = AuthnRequest(request_id="_" + hex, issuer=entity_id, destination=url, consumer_url=acs, issued_at=now)
    location = redirect_url(request, relay_state=state, signing_key=key)

`request_id` is what the answer names in `InResponseTo`: whoever asks keeps it, and hands it to `verify_response`.
Responses are asked for by the POST binding, the only one that is read here. How the request travels: `bindings`.

Source: saml-core-2.0-os section 3.4.1.
"""

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from velvetrope.saml.bindings import check_message_id, instant
from velvetrope.saml.documents import ASSERTION, PROTOCOL
from velvetrope.saml.metadata import HTTP_POST

__all__ = ["AuthnRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnRequest:
    """One request. URLs are as the identity provider's metadata (`destination`) and ours (`consumer_url`) have them."""

    request_id: str
    issuer: str
    destination: str
    consumer_url: str
    issued_at: datetime
    name_id_format: str | None = None
    force_authn: bool = False

    def __post_init__(self) -> None:
        check_message_id(self.request_id)

    @property
    def field_name(self) -> str:
        return "SAMLRequest"

    def render(self) -> bytes:
        """The request as XML."""
        root = etree.Element(
            f"{PROTOCOL}AuthnRequest",
            {
                "ID": self.request_id,
                "Version": "2.0",
                "IssueInstant": instant(self.issued_at),
                "Destination": self.destination,
                "AssertionConsumerServiceURL": self.consumer_url,
                "ProtocolBinding": HTTP_POST,
                **({"ForceAuthn": "true"} if self.force_authn else {}),
            },
            nsmap={"samlp": PROTOCOL.strip("{}"), "saml": ASSERTION.strip("{}")},
        )
        etree.SubElement(root, f"{ASSERTION}Issuer").text = self.issuer
        if self.name_id_format is not None:
            policy = {"Format": self.name_id_format, "AllowCreate": "true"}
            etree.SubElement(root, f"{PROTOCOL}NameIDPolicy", policy)
        text: bytes = etree.tostring(root)
        return text
