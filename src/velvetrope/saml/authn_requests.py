"""What a service provider sends to an identity provider: a request to authenticate somebody.

    request = AuthnRequest(request_id="_" + hex, issuer=entity_id, destination=url, consumer_url=acs, issued_at=now)
    location = redirect_url(request, relay_state=state, signing_key=key)         # HTTP-Redirect binding
    fields = post_fields(request, relay_state=state)                             # HTTP-POST binding

`request_id` is what the answer names in `InResponseTo`: whoever asks keeps it, and hands it to `verify_response`. It is
an XML name, so it begins with a letter or an underscore. Requests are signed where a key is given; in the redirect
binding the signature is over the query string and not in the XML. Responses are asked for by the POST binding, the only
one that is read here.

Sources: saml-core-2.0-os section 3.4.1; saml-bindings-2.0-os sections 3.4.4 (redirect) and 3.5.4 (POST); RFC 6931
section 2.3.2 (the algorithm's name).
"""

import base64
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from velvetrope.saml.documents import ASSERTION, PROTOCOL
from velvetrope.saml.metadata import HTTP_POST

__all__ = ["AuthnRequest", "post_fields", "redirect_url"]

_RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MAX_RELAY_STATE_BYTES: Final = 80
"""saml-bindings-2.0-os section 3.4.3."""


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
        if not _XML_NAME.fullmatch(self.request_id):
            raise ValueError("a request id is an XML name")

    def render(self) -> bytes:
        """The request as XML."""
        root = etree.Element(
            f"{PROTOCOL}AuthnRequest",
            {
                "ID": self.request_id,
                "Version": "2.0",
                "IssueInstant": self.issued_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
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


def redirect_url(request: AuthnRequest, *, relay_state: str, signing_key: rsa.RSAPrivateKey | None = None) -> str:
    """Where the browser is sent. The signature covers `SAMLRequest`, `RelayState` and `SigAlg` as they are written.

    Raises:
        ValueError: a relay state of more than 80 bytes.
    """
    _check_relay_state(relay_state)
    deflater = zlib.compressobj(wbits=-15)
    deflated = deflater.compress(request.render()) + deflater.flush()
    query = f"SAMLRequest={_escaped(deflated)}&RelayState={quote(relay_state, safe='')}"
    if signing_key is not None:
        query += f"&SigAlg={quote(_RSA_SHA256, safe='')}"
        signature = signing_key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
        query += f"&Signature={_escaped(signature)}"
    return f"{request.destination}{'&' if '?' in request.destination else '?'}{query}"


def post_fields(request: AuthnRequest, *, relay_state: str) -> dict[str, str]:
    """What the browser posts to the request's destination, as form fields.

    Raises:
        ValueError: a relay state of more than 80 bytes.
    """
    _check_relay_state(relay_state)
    return {"SAMLRequest": base64.b64encode(request.render()).decode(), "RelayState": relay_state}


def _escaped(value: bytes) -> str:
    return quote(base64.b64encode(value).decode(), safe="")


def _check_relay_state(relay_state: str) -> None:
    if len(relay_state.encode()) > _MAX_RELAY_STATE_BYTES:
        raise ValueError(f"a relay state has {_MAX_RELAY_STATE_BYTES} bytes at the most")
