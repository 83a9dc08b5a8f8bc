"""Temporary credentials without a lookup.

    sessions = Sessions(master_keys, entropy)
    credentials = sessions.issue(principal)                         # principal.session says for how long
    signing = sessions.open(access_key_id, session_token, now)      # any node that holds the master keys

The session token is a sealed record of the principal: encrypted and authenticated under a master key, and bound to its
access key id. The secret access key is derived from the same master key and the access key id. Nothing is stored, and
a node that has never seen a session verifies it as well as the one that issued it. A rotation of the master key leaves
former sessions alone: the token says which key it was sealed with, and that key also derives the secret.

The record is MessagePack, deflated when that helps (session policies). A session is dead at its expiration, not after
it. Opened tokens are remembered, up to `_REMEMBERED`, since a client sends the same one with every request; the
expiration is looked at each time.

That a session cannot be ended before it expires is the price; taking a role's policies away works at once, because they
are gathered for every decision.
"""

import base64
import binascii
import zlib
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

import msgspec

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_access_key_id
from velvetrope.principals import Principal, PrincipalKind, Session, SigningCredentials, TemporaryCredentials
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.secret import Secret
from velvetrope.sigv4 import ExpiredSessionToken, InvalidSessionToken

__all__ = ["Sessions"]

_TOKEN_PURPOSE: Final = "sts session token 1"  # noqa: S105  the name of a purpose
_SECRET_PURPOSE: Final = "sts secret access key 1"  # noqa: S105  the name of a purpose
_KEY_ID_BYTES: Final = 4
_SECRET_BYTES: Final = 30
"""30 bytes are 40 characters of base64, the length of AWS's secret access keys."""
_REMEMBERED: Final = 4096
_MAX_TOKEN_CHARACTERS: Final = 16_384
"""Longer texts are not looked at; the longest session that `check_packed_size` lets through is well below."""
_PLAIN, _DEFLATED = b"\x00", b"\x01"


class _SessionRecord(msgspec.Struct, frozen=True, array_like=True):
    """A principal inside a token. Fields are told apart by position: new ones go to the end, with a default."""

    kind: PrincipalKind
    account_id: str
    arn: str
    policy_arn: str
    unique_id: str
    name: str
    tags: dict[str, str]
    issued_at_epoch_seconds: int
    expires_at_epoch_seconds: int
    policies: tuple[str, ...] | None
    session_tags: dict[str, str]
    transitive_tag_keys: tuple[str, ...]
    federated_provider: str | None
    claims: dict[str, tuple[str, ...]]
    source_identity: str | None
    multi_factor_at_epoch_seconds: int | None
    chained: bool
    source_function_arn: str | None
    issuer_arn: str | None = None
    issuer_id: str | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_SessionRecord)


class Sessions:
    """Issues temporary credentials and opens them again."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._master_keys = master_keys
        self._entropy = entropy
        self._opened: OrderedDict[tuple[str, str], SigningCredentials] = OrderedDict()

    def issue(self, principal: Principal) -> TemporaryCredentials:
        """Credentials that stand for `principal` until its session expires. Times count in whole seconds."""
        session = principal.session
        if session is None:
            raise ValueError("temporary credentials are for a principal with a session")
        access_key_id = new_access_key_id(self._entropy, "ASIA")
        packed = _ENCODER.encode(_record_of(principal, session))
        deflated = zlib.compress(packed)
        payload = _DEFLATED + deflated if len(deflated) < len(packed) else _PLAIN + packed
        sealed = self._master_keys.seal(
            payload, purpose=_TOKEN_PURPOSE, entropy=self._entropy, context=access_key_id.encode()
        )
        return TemporaryCredentials(
            access_key_id=access_key_id,
            secret_access_key=self._secret(access_key_id, sealed[:_KEY_ID_BYTES]),
            session_token=encode_base64url(sealed),
            expiration=session.expires_at.replace(microsecond=0),
        )

    def open(self, access_key_id: str, session_token: str, now: datetime) -> SigningCredentials:
        """The secret that signs for `access_key_id`, and the principal that the token states.

        Raises:
            InvalidSessionToken: altered, foreign, not a token at all, or another access key's.
            ExpiredSessionToken: good, but `now` is at or past its expiration.
        """
        remembered = self._opened.get((access_key_id, session_token))
        if remembered is None:
            remembered = self._unseal(access_key_id, session_token)
            self._opened[access_key_id, session_token] = remembered
            if len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)
        else:
            self._opened.move_to_end((access_key_id, session_token))
        session = remembered.principal.session
        if session is None or now >= session.expires_at:
            del self._opened[access_key_id, session_token]
            raise ExpiredSessionToken(detail="the session has ended")
        return remembered

    def _unseal(self, access_key_id: str, session_token: str) -> SigningCredentials:
        if len(session_token) > _MAX_TOKEN_CHARACTERS:
            raise InvalidSessionToken(detail="the session token is too long to be ours")
        try:
            sealed = base64.b64decode(
                session_token.encode("ascii") + b"=" * (-len(session_token) % 4), altchars=b"-_", validate=True
            )
            payload = self._master_keys.open(sealed, purpose=_TOKEN_PURPOSE, context=access_key_id.encode())
        except (SealBroken, binascii.Error, UnicodeError) as error:
            raise InvalidSessionToken(
                detail="the session token is altered, of another server, or of another access key"
            ) from error
        record = _DECODER.decode(zlib.decompress(payload[1:]) if payload[:1] == _DEFLATED else payload[1:])
        return SigningCredentials(
            access_key_id=access_key_id,
            secret_access_key=self._secret(access_key_id, sealed[:_KEY_ID_BYTES]),
            principal=_principal_of(record, access_key_id),
        )

    def _secret(self, access_key_id: str, key_id: bytes) -> Secret[str]:
        derived = self._master_keys.derive(purpose=_SECRET_PURPOSE, info=access_key_id.encode(), key_id=key_id)
        return Secret(base64.b64encode(derived[:_SECRET_BYTES]).decode())


def _record_of(principal: Principal, session: Session) -> _SessionRecord:
    return _SessionRecord(
        kind=principal.kind,
        account_id=principal.account_id,
        arn=principal.arn,
        policy_arn=principal.policy_arn,
        unique_id=principal.unique_id,
        name=principal.name,
        tags=dict(principal.tags),
        issued_at_epoch_seconds=int(session.issued_at.timestamp()),
        expires_at_epoch_seconds=int(session.expires_at.timestamp()),
        policies=session.policies,
        session_tags=dict(session.tags),
        transitive_tag_keys=session.transitive_tag_keys,
        federated_provider=session.federated_provider,
        claims=dict(session.claims),
        source_identity=session.source_identity,
        multi_factor_at_epoch_seconds=None
        if session.multi_factor_at is None
        else int(session.multi_factor_at.timestamp()),
        chained=session.chained,
        source_function_arn=session.source_function_arn,
        issuer_arn=session.issuer_arn,
        issuer_id=session.issuer_id,
    )


def _principal_of(record: _SessionRecord, access_key_id: str) -> Principal:
    mfa = record.multi_factor_at_epoch_seconds
    return Principal(
        kind=record.kind,
        account_id=record.account_id,
        arn=record.arn,
        policy_arn=record.policy_arn,
        unique_id=record.unique_id,
        name=record.name,
        access_key_id=access_key_id,
        tags=record.tags,
        session=Session(
            issued_at=datetime.fromtimestamp(record.issued_at_epoch_seconds, UTC),
            expires_at=datetime.fromtimestamp(record.expires_at_epoch_seconds, UTC),
            policies=record.policies,
            tags=record.session_tags,
            transitive_tag_keys=record.transitive_tag_keys,
            federated_provider=record.federated_provider,
            claims=record.claims,
            source_identity=record.source_identity,
            multi_factor_at=None if mfa is None else datetime.fromtimestamp(mfa, UTC),
            chained=record.chained,
            source_function_arn=record.source_function_arn,
            issuer_arn=record.issuer_arn,
            issuer_id=record.issuer_id,
        ),
    )
