"""What sign-in and log-out with SAML have in common: messages in forms, their ids, and what is kept of them."""

import base64
import binascii
from hashlib import sha256

from velvetrope.clock import Entropy
from velvetrope.oauth import Parameters, StaysOnDomain
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = ["InvalidSamlMessage", "message_hash", "new_message_id", "posted_message", "subject_hash"]

_ID_BYTES = 16


class InvalidSamlMessage(StaysOnDomain):
    """The form holds no SAML message of a sign-in or log-out here. Told on our own page, in AWS's words."""

    def __init__(self, *, detail: str) -> None:
        super().__init__("Invalid samlResponse or relayState from identity provider", detail=detail)


def posted_message(form: Parameters, field: str) -> bytes:
    """The XML in a form's field.

    Raises:
        InvalidSamlMessage: it is not there, is there twice, or is not base64.
    """
    if form.repeated:
        raise InvalidSamlMessage(detail="a field is there more than once")
    value = form.get(field)
    if value is None:
        raise InvalidSamlMessage(detail=f"there is no {field}")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSamlMessage(detail=f"{field} is not base64") from None


def new_message_id(entropy: Entropy) -> str:
    """An id for a message of ours: an XML name that nobody can guess."""
    return f"_{entropy.token_bytes(_ID_BYTES).hex()}"


def message_hash(kind: str, issuer: str, identifier: str) -> str:
    """By what it is known that a message has counted: by whose it is, under whatever names a pool may know them."""
    return _hash(kind, issuer, identifier)


def subject_hash(provider: IdentityProvider, name_id: str) -> str:
    """By what sessions of a provider's person are found."""
    return _hash("subject", provider.provider_name, name_id)


def _hash(*parts: str) -> str:
    digest = sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()
