"""An identity provider's metadata: who it is, which keys it signs with, where people sign in.

    provider = parse_metadata(document)
    provider.entity_id, provider.signing_certificates, provider.sign_on_urls[HTTP_POST]

The document is an `EntityDescriptor` with one `IDPSSODescriptor` for SAML 2.0, or an `EntitiesDescriptor` with one such
entity. Whoever hands the document in vouches for it: a signature on the metadata itself is not looked at, as on AWS.
Certificates only carry keys; that one has expired, or who issued it, says nothing (saml-metadata-2.0-os section 2.4.1;
IAM User Guide, "Create a SAML identity provider in IAM": expiry of a certificate is not acted on). A key that is too
weak to trust is refused.

Source: Metadata for SAML 2.0 (saml-metadata-2.0-os).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from velvetrope.saml.documents import (
    METADATA,
    PROTOCOL,
    SIGNATURE,
    Element,
    children_of,
    parse_document,
    parse_moment,
    text_of,
)
from velvetrope.saml.errors import MalformedDocument, MalformedMetadata

__all__ = ["HTTP_POST", "HTTP_REDIRECT", "MAX_METADATA_BYTES", "IdentityProvider", "parse_metadata"]

HTTP_POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
HTTP_REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"

MAX_METADATA_BYTES: Final = 10_000_000
"""What CreateSAMLProvider takes, by its model."""

_SAML_2: Final = PROTOCOL.strip("{}")
_MIN_RSA_BITS: Final = 2048
"""NIST SP 800-131A: shorter keys are not good for signatures."""


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An identity provider, as its metadata describes it.

    Any of `signing_certificates` counts, which is how keys are rotated. URLs are by binding. `valid_until` is when
    the description ends, if it says so.
    """

    entity_id: str
    signing_certificates: tuple[x509.Certificate, ...]
    sign_on_urls: Mapping[str, str] = field(default_factory=dict)
    logout_urls: Mapping[str, str] = field(default_factory=dict)
    logout_response_urls: Mapping[str, str] = field(default_factory=dict)
    """Where answers to its logout requests go: `ResponseLocation` where there is one, else as `logout_urls`."""
    name_id_formats: tuple[str, ...] = ()
    wants_signed_requests: bool = False
    valid_until: datetime | None = None


def parse_metadata(document: str) -> IdentityProvider:
    """The identity provider that a metadata document describes.

    Raises:
        MalformedMetadata: no XML, no or several identity providers, no id, or no key that could be trusted.
    """
    try:
        return _parse(parse_document(document.encode(), max_bytes=MAX_METADATA_BYTES))
    except MalformedDocument as finding:
        raise MalformedMetadata("Could not parse metadata", detail=finding.detail or finding.message) from finding


def _parse(root: Element) -> IdentityProvider:
    described = [
        (entity, role)
        for entity in _entities(root)
        for role in children_of(entity, f"{METADATA}IDPSSODescriptor")
        if _SAML_2 in role.get("protocolSupportEnumeration", "").split()
    ]
    if len(described) != 1:
        raise MalformedMetadata(
            "Could not parse metadata", detail=f"{len(described)} identity providers for SAML 2.0 in the document"
        )
    entity, role = described[0]
    entity_id = entity.get("entityID", "")
    if not entity_id or len(entity_id) > 1024:
        raise MalformedMetadata("Could not parse metadata", detail="entityID has 1 to 1024 characters")
    certificates = _signing_certificates(role)
    if not certificates:
        raise MalformedMetadata("Could not parse metadata", detail="there is no signing certificate")
    ends = [
        parse_moment(element.get("validUntil"))
        for element in dict.fromkeys((root, entity, role))
        if element.get("validUntil") is not None
    ]
    return IdentityProvider(
        entity_id=entity_id,
        signing_certificates=certificates,
        sign_on_urls=_urls(role, "SingleSignOnService"),
        logout_urls=_urls(role, "SingleLogoutService"),
        logout_response_urls={
            **_urls(role, "SingleLogoutService"),
            **_urls(role, "SingleLogoutService", location="ResponseLocation"),
        },
        name_id_formats=tuple(text_of(found) for found in children_of(role, f"{METADATA}NameIDFormat")),
        wants_signed_requests=role.get("WantAuthnRequestsSigned", "false") in {"true", "1"},
        valid_until=min(ends, default=None),
    )


def _entities(root: Element) -> list[Element]:
    if root.tag == f"{METADATA}EntityDescriptor":
        return [root]
    if root.tag == f"{METADATA}EntitiesDescriptor":
        return children_of(root, f"{METADATA}EntityDescriptor")
    return []


def _signing_certificates(role: Element) -> tuple[x509.Certificate, ...]:
    found = [
        _certificate(text_of(element))
        for descriptor in children_of(role, f"{METADATA}KeyDescriptor")
        # Without `use` a key is for both.
        if descriptor.get("use", "signing") == "signing"
        for element in descriptor.iter(f"{SIGNATURE}X509Certificate")
    ]
    return tuple(dict.fromkeys(found))


def _certificate(text: str) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))
        key = certificate.public_key()
    except (binascii.Error, ValueError) as error:
        raise MalformedMetadata("Could not parse metadata", detail=f"a certificate is none: {error}") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _MIN_RSA_BITS:
            raise MalformedMetadata(
                "Could not parse metadata", detail=f"an RSA key of {key.key_size} bits is too short"
            )
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise MalformedMetadata("Could not parse metadata", detail="keys are RSA or of an elliptic curve")
    return certificate


def _urls(role: Element, service: str, *, location: str = "Location") -> dict[str, str]:
    return {
        found.get("Binding"): found.get(location)
        for found in reversed(children_of(role, f"{METADATA}{service}"))
        if found.get("Binding") and found.get(location)
    }
