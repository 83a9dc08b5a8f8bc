"""A certificate authority of the installation's own, and the server certificate that it signs.

    files = ensure_certificates(state_folder / "tls", names_for(region="us-west-2"), now=now)
    context = server_context(files)

The CA (EC P-256, ten years) is made once; whoever wants browsers to trust the server installs `ca.pem`. The server's
certificate (397 days, what browsers accept at most) is made again when it nears its end, when the names change, or
when the CA is another one. Keys are written with mode 0600, each file whole or not at all.

Making certificates is pure (`new_authority`, `issue_server_certificate`); only `ensure_certificates` touches files.

Browsers refuse a wildcard directly under `localhost` (Chromium: a public suffix), so such hosts are named one by one
or one level deeper. Sources: RFC 5280; CA/Browser Forum Baseline Requirements section 6.3.2; the reference's README.
"""

import contextlib
import ipaddress
import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = [
    "Authority",
    "CertificateFiles",
    "ServerCertificate",
    "ensure_certificates",
    "issue_server_certificate",
    "names_for",
    "new_authority",
    "server_context",
]

_AUTHORITY_LIFETIME: Final = timedelta(days=3650)
_CERTIFICATE_LIFETIME: Final = timedelta(days=397)
_RENEW_BEFORE: Final = timedelta(days=30)
_CLOCK_SLACK: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificates are. `authority` is the one to trust; the server's file holds its chain."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificate and the key that signs."""

    certificate: "x509.Certificate"
    key: "EllipticCurvePrivateKey"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate for the server's names, with its key."""

    certificate: "x509.Certificate"
    key: "EllipticCurvePrivateKey"


def names_for(*, region: str, hosts: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every name that the server answers to: this machine, `hosts`, and AWS's own names for the region.

    The AWS names are for clients whose hosts are hard-coded and mapped here (resolver rules, /etc/hosts).
    """
    return (
        "localhost",
        "127.0.0.1",
        "::1",
        *(f"{service}.localhost" for service in ("cognito-idp", "cognito-identity", "sts", "iam", "auth", "api")),
        f"*.auth.{region}.localhost",
        f"*.execute-api.{region}.localhost",
        *(
            f"{service}.{region}.amazonaws.com"
            for service in ("cognito-idp", "cognito-identity", "sts", "apigateway", "lambda", "cloudformation", "logs")
        ),
        "sts.amazonaws.com",
        "iam.amazonaws.com",
        f"*.auth.{region}.amazoncognito.com",
        f"*.execute-api.{region}.amazonaws.com",
        *hosts,
    )


def new_authority(now: datetime) -> Authority:
    """A new CA. It may sign servers and nothing below them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name(f"velvetrope local authority {subject_key.digest.hex()[:8]}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def issue_server_certificate(authority: Authority, names: tuple[str, ...], now: datetime) -> ServerCertificate:
    """A certificate for `names` (host names, wildcards, addresses), signed by `authority`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("velvetrope"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(min(now + _CERTIFICATE_LIFETIME, authority.certificate.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return ServerCertificate(certificate, key)


def ensure_certificates(folder: Path, names: tuple[str, ...], *, now: datetime) -> CertificateFiles:
    """The files of a CA and of a server certificate that is good for `names` for another month, made where missing."""
    from cryptography.hazmat.primitives.serialization import Encoding

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = CertificateFiles(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    authority_key = folder / "ca-key.pem"
    authority = _load_authority(files.authority, authority_key)
    if authority is None or authority.certificate.not_valid_after_utc - now < _RENEW_BEFORE:
        authority = new_authority(now)
        _write(authority_key, _key_bytes(authority.key), mode=0o600)
        _write(files.authority, authority.certificate.public_bytes(Encoding.PEM), mode=0o644)
    if not _is_good(files, authority, names, now):
        server = issue_server_certificate(authority, names, now)
        chain = server.certificate.public_bytes(Encoding.PEM) + authority.certificate.public_bytes(Encoding.PEM)
        _write(files.key, _key_bytes(server.key), mode=0o600)
        _write(files.certificate, chain, mode=0o644)
    return files


def server_context(files: CertificateFiles, *, protocol: str = "http/1.1") -> ssl.SSLContext:
    """What a listener speaks TLS with: TLS 1.2 and up, and one protocol only, by its name in ALPN (RFC 7301)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols([protocol])
    return context


def _is_good(files: CertificateFiles, authority: Authority, names: tuple[str, ...], now: datetime) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = load_pem_private_key(files.key.read_bytes(), None)
        certificate.verify_directly_issued_by(authority.certificate)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        list(held) == [_general_name(name) for name in names]
        and certificate.not_valid_after_utc - now > _RENEW_BEFORE
        and certificate.public_key() == key.public_key()
    )


def _load_authority(certificate: Path, key: Path) -> Authority | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != loaded.public_key():
        return None
    return Authority(loaded, private)


def _name(common_name: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_bytes(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace `path` in one step; the content is never on disk with a wider mode."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
