"""How our messages travel to an identity provider: in the query of a redirect, and in no other way.

    location = redirect_url(request, relay_state=state, signing_key=key)

The signature is over the query string and not in the XML. What comes to us comes by the POST binding, and is read by
`responses` and `logout`.

Sources: saml-bindings-2.0-os section 3.4.4 (HTTP-Redirect); RFC 6931 section 2.3.2 (the algorithm's name).
"""

import base64
import re
import zlib
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["Message", "check_message_id", "instant", "redirect_url"]

_RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MAX_RELAY_STATE_BYTES: Final = 80
"""saml-bindings-2.0-os section 3.4.3. For what we send; others send us more."""


class Message(Protocol):
    """An `AuthnRequest`, a `LogoutRequest` or a `LogoutResponse`."""

    @property
    def destination(self) -> str: ...
    @property
    def field_name(self) -> str:
        """`SAMLRequest` or `SAMLResponse`."""
        ...

    def render(self) -> bytes:
        """The message as XML."""
        ...


def redirect_url(message: Message, *, relay_state: str | None, signing_key: rsa.RSAPrivateKey | None = None) -> str:
    """Where the browser is sent. The signature covers message, `RelayState` and `SigAlg` as they are written.

    Raises:
        ValueError: a request with a relay state of more than 80 bytes.
    """
    deflater = zlib.compressobj(wbits=-15)
    deflated = deflater.compress(message.render()) + deflater.flush()
    query = f"{message.field_name}={_escaped(deflated)}"
    if relay_state is not None:
        if message.field_name == "SAMLRequest":  # an answer repeats what the other side chose
            _check_relay_state(relay_state)
        query += f"&RelayState={quote(relay_state, safe='')}"
    if signing_key is not None:
        query += f"&SigAlg={quote(_RSA_SHA256, safe='')}"
        signature = signing_key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
        query += f"&Signature={_escaped(signature)}"
    return f"{message.destination}{'&' if '?' in message.destination else '?'}{query}"


def check_message_id(identifier: str) -> None:
    """See that a message's id is an XML name: it begins with a letter or an underscore.

    Raises:
        ValueError: it is none.
    """
    if not _XML_NAME.fullmatch(identifier):
        raise ValueError("a message id is an XML name")


def instant(moment: datetime) -> str:
    """A time as SAML writes it (saml-core-2.0-os section 1.3.3)."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _escaped(value: bytes) -> str:
    return quote(base64.b64encode(value).decode(), safe="")


def _check_relay_state(relay_state: str) -> None:
    if len(relay_state.encode()) > _MAX_RELAY_STATE_BYTES:
        raise ValueError(f"a relay state has {_MAX_RELAY_STATE_BYTES} bytes at the most")
