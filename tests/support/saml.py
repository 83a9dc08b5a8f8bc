"""An identity provider that speaks SAML: its metadata, its responses, and responses that are wrong on purpose."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from velvetrope.saml import IdentityProvider, parse_metadata

ENTITY_ID = "https://idp.example.com/metadata"
SIGN_IN = "https://signin.aws.amazon.com/saml"
AUDIENCE = "urn:amazon:webservices"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
SERVICE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
"""The key that assertions are encrypted for."""


def certificate_of(key: Any, *, ended: bool = False) -> x509.Certificate:
    """A self-signed certificate, as identity providers have them."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.example.com")])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    ends = datetime(2021, 1, 1, tzinfo=UTC) if ended else datetime(2050, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, ends)
    return builder.sign(key, hashes.SHA256())


CERTIFICATE = certificate_of(KEY)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    """A private key as people upload it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


LOGOUT_SERVICE = (
    '<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
    'Location="https://idp.example.com/slo"/>'
)


def metadata(
    *certificates: x509.Certificate,
    entity_id: str = ENTITY_ID,
    attributes: str = "",
    use: str = ' use="signing"',
    services: str = "",
) -> str:
    """A metadata document for these signing certificates; `attributes` are the entity's, `services` more endpoints."""
    keys = "".join(
        f"<md:KeyDescriptor{use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>"
        f"{base64.b64encode(found.public_bytes(serialization.Encoding.DER)).decode()}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for found in certificates or (CERTIFICATE,)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
        f'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{entity_id}"{attributes}>'
        '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f"{keys}"
        "<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>"
        '<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" '
        'Location="https://idp.example.com/sso/post"/>'
        '<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
        'Location="https://idp.example.com/sso/redirect"/>'
        f"{services}"
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


PROVIDER_ARN = "arn:aws:iam::123456789012:saml-provider/corp"


@dataclass(frozen=True)
class Provider:
    """The identity provider as IAM hands it out."""

    arn: str = PROVIDER_ARN
    account_id: str = "123456789012"
    name: str = "corp"
    unique_id: str = "SAMLUNIQUE0123456789ABCDEF"
    identity_provider: IdentityProvider = field(default_factory=lambda: parse_metadata(metadata()))
    valid_until: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    decryption_keys: tuple[rsa.RSAPrivateKey, ...] = ()
    encryption_required: bool = False


def instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(kw_only=True)
class Response:
    """One response, good unless told otherwise. An attribute of XML that is None is left out."""

    now: datetime
    subject: str = "carol@example.com"
    name_format: str | None = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    issuer: str = ENTITY_ID
    response_issuer: str | None = ENTITY_ID
    audiences: Sequence[str] = (AUDIENCE,)
    recipient: str | None = SIGN_IN
    destination: str | None = SIGN_IN
    in_response_to: str | None = None
    response_in_response_to: str | None = None
    status: str = SUCCESS
    version: str = "2.0"
    method: str = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
    issued_at: datetime | None = None
    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    confirmed_until: datetime | None = None
    session_not_on_or_after: datetime | None = None
    in_conditions: str = ""
    in_assertion: str = ""
    in_subject: str = ""
    identifier: str = "_a1"
    sign: str = "assertion"
    """`assertion`, `response`, `both` or `nothing`."""
    key: Any = KEY
    certificate: x509.Certificate | None = None
    signature_method: SignatureMethod = SignatureMethod.RSA_SHA256
    digest: DigestAlgorithm = DigestAlgorithm.SHA256
    encrypt: str = ""
    """Empty, `gcm` or `cbc`."""
    encrypt_for: rsa.RSAPublicKey = field(default_factory=SERVICE_KEY.public_key)
    key_transport: str = "oaep"
    """`oaep`, or `pkcs1`, which nobody should take."""

    def assertion(self) -> str:
        hour = timedelta(hours=1)
        attributes = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in self.attributes.items()
        )
        statement = f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement>" if attributes else ""
        restriction = "".join(f"<saml:Audience>{audience}</saml:Audience>" for audience in self.audiences)
        restricted = f"<saml:AudienceRestriction>{restriction}</saml:AudienceRestriction>" if restriction else ""
        session = (
            ""
            if self.session_not_on_or_after is None
            else f' SessionNotOnOrAfter="{instant(self.session_not_on_or_after)}"'
        )
        return (
            f'<saml:Assertion xmlns:saml="{ASSERTION}" ID="{self.identifier}" Version="{self.version}" '
            f'IssueInstant="{instant(self.issued_at or self.now)}"><saml:Issuer>{self.issuer}</saml:Issuer>'
            f"<saml:Subject><saml:NameID{_attribute('Format', self.name_format)}>{self.subject}</saml:NameID>"
            f'{self.in_subject}<saml:SubjectConfirmation Method="{self.method}"><saml:SubjectConfirmationData'
            f"{_attribute('InResponseTo', self.in_response_to)}{_attribute('Recipient', self.recipient)}"
            f' NotOnOrAfter="{instant(self.confirmed_until or self.now + hour)}"/></saml:SubjectConfirmation>'
            f'</saml:Subject><saml:Conditions NotBefore="{instant(self.not_before or self.now)}" '
            f'NotOnOrAfter="{instant(self.not_on_or_after or self.now + hour)}">{restricted}{self.in_conditions}'
            f'</saml:Conditions><saml:AuthnStatement AuthnInstant="{instant(self.now)}" SessionIndex="_s1"{session}>'
            "<saml:AuthnContext><saml:AuthnContextClassRef>"
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
            f"</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{statement}{self.in_assertion}"
            "</saml:Assertion>"
        )

    def document(self) -> bytes:
        """The response as XML."""
        issuer = "" if self.response_issuer is None else f"<saml:Issuer>{self.response_issuer}</saml:Issuer>"
        root = etree.fromstring(
            f'<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="_r1" Version="{self.version}" '
            f'IssueInstant="{instant(self.now)}"{_attribute("Destination", self.destination)}'
            f"{_attribute('InResponseTo', self.response_in_response_to)}>{issuer}"
            f'<samlp:Status><samlp:StatusCode Value="{self.status}"/></samlp:Status></samlp:Response>'
        )
        assertion = etree.fromstring(self.assertion())
        if self.sign in {"assertion", "both"}:
            assertion = self.signed(assertion)
        root.append(encrypted(assertion, self) if self.encrypt else assertion)
        if self.sign in {"response", "both"}:
            root = self.signed(root)
        text: bytes = etree.tostring(root)
        return text

    def encoded(self) -> str:
        """The response as it is posted."""
        return base64.b64encode(self.document()).decode()

    def signed(self, element: Any) -> Any:
        return signed_by(self, element)


@dataclass(kw_only=True)
class LogoutMessage:
    """A `LogoutRequest` or `LogoutResponse`, good unless told otherwise. An attribute that is None is left out."""

    now: datetime
    kind: str = "LogoutRequest"
    identifier: str = "_l1"
    issuer: str = ENTITY_ID
    destination: str | None = "https://sp.example.com/saml2/logout"
    subject: str = "carol@example.com"
    name_format: str | None = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    session_indexes: Sequence[str] = ("_s1",)
    not_on_or_after: datetime | None = None
    in_response_to: str | None = None
    status: str = SUCCESS
    inner_status: str = ""
    version: str = "2.0"
    sign: bool = True
    key: Any = KEY
    certificate: x509.Certificate | None = None
    signature_method: SignatureMethod = SignatureMethod.RSA_SHA256
    digest: DigestAlgorithm = DigestAlgorithm.SHA256

    def document(self) -> bytes:
        """The message as XML."""
        if self.kind == "LogoutRequest":
            indexes = "".join(f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" for index in self.session_indexes)
            inside = f"<saml:NameID{_attribute('Format', self.name_format)}>{self.subject}</saml:NameID>{indexes}"
        else:
            inner = f'<samlp:StatusCode Value="{self.inner_status}"/>' if self.inner_status else ""
            inside = f'<samlp:Status><samlp:StatusCode Value="{self.status}">{inner}</samlp:StatusCode></samlp:Status>'
        ends = None if self.not_on_or_after is None else instant(self.not_on_or_after)
        root = etree.fromstring(
            f'<samlp:{self.kind} xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="{self.identifier}" '
            f'Version="{self.version}" IssueInstant="{instant(self.now)}"{_attribute("NotOnOrAfter", ends)}'
            f"{_attribute('Destination', self.destination)}{_attribute('InResponseTo', self.in_response_to)}>"
            f"<saml:Issuer>{self.issuer}</saml:Issuer>{inside}</samlp:{self.kind}>"
        )
        text: bytes = etree.tostring(signed_by(self, root) if self.sign else root)
        return text

    def encoded(self) -> str:
        """The message as it is posted."""
        return base64.b64encode(self.document()).decode()


def signed_by(how: "Response | LogoutMessage", element: Any) -> Any:
    """The element with the signature that `how` asks for."""
    signer = XMLSigner(
        signature_algorithm=how.signature_method,
        digest_algorithm=how.digest,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    certificate = how.certificate or certificate_of(how.key)
    return signer.sign(element, key=how.key, cert=[certificate], reference_uri=element.get("ID"))


def sign_with_sha1(element: Any, *, method: SignatureMethod, digest: DigestAlgorithm) -> Any:
    """The element signed as nobody should any more: with SHA-1 in the signature, the digest or both."""

    class Signer(XMLSigner):
        def check_deprecated_methods(self) -> None:
            """Sign all the same, as old identity providers do."""

    signer = Signer(
        signature_algorithm=method,
        digest_algorithm=digest,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    return signer.sign(element, key=KEY, cert=[CERTIFICATE], reference_uri=element.get("ID"))


def _attribute(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{value}"'


def encrypted(assertion: Any, how: Response) -> Any:
    """An `EncryptedAssertion`, by XML Encryption."""
    text, content_key = etree.tostring(assertion), os.urandom(32)
    if how.encrypt == "gcm":
        algorithm, nonce = "http://www.w3.org/2009/xmlenc11#aes256-gcm", os.urandom(12)
        ciphertext = nonce + AESGCM(content_key).encrypt(nonce, text, None)
    else:
        algorithm, start = "http://www.w3.org/2001/04/xmlenc#aes256-cbc", os.urandom(16)
        added = 16 - len(text) % 16
        encryptor = Cipher(AES(content_key), CBC(start)).encryptor()
        ciphertext = start + encryptor.update(text + bytes(added - 1) + bytes([added])) + encryptor.finalize()
    if how.key_transport == "oaep":
        transport = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
        scheme: Any = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    else:
        transport, scheme = "http://www.w3.org/2001/04/xmlenc#rsa-1_5", padding.PKCS1v15()
    wrapped = how.encrypt_for.encrypt(content_key, scheme)
    return etree.fromstring(
        f'<saml:EncryptedAssertion xmlns:saml="{ASSERTION}" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" '
        'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedData '
        'Type="http://www.w3.org/2001/04/xmlenc#Element">'
        f'<xenc:EncryptionMethod Algorithm="{algorithm}"/><ds:KeyInfo><xenc:EncryptedKey>'
        f'<xenc:EncryptionMethod Algorithm="{transport}"/><xenc:CipherData><xenc:CipherValue>'
        f"{base64.b64encode(wrapped).decode()}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>"
        f"<xenc:CipherData><xenc:CipherValue>{base64.b64encode(ciphertext).decode()}</xenc:CipherValue>"
        "</xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"
    )
