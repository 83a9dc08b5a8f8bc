"""Challenges carry their own state: sealed, so that we keep nothing until one has been answered.

`SignIn` is how far somebody has come; a `Session` is a `SignIn` that waits for one answer (`asked`), a `SecretBlock`
one that waits for an SRP proof. Each names an id under which it is spent (`SignInStore.spend_challenge`), its end, and
the pool and client that it belongs to. Clients send them back as they got them: the secret block in base64, the session
in base64url.

A session is spent by the answer that it accepts; a wrong code leaves it usable, and the guesses are counted per user
(`factors.one_time_codes`). A secret block is spent by the first answer, right or wrong: it is worth one guess.

How long a secret block can be answered is UNVERIFIED on AWS ("a few seconds", the model says); we allow 60. A session
lasts for the client's AuthSessionValidity.
"""

from binascii import a2b_base64, b2a_base64
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

import msgspec

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy
from velvetrope.identifiers import UuidSource
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.store.tables.userpools import AppClient, MfaType, StoredUser, User, UserPool
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.userpools.errors import (
    InvalidLambdaResponseException,
    InvalidParameterException,
    NotAuthorizedException,
)

__all__ = [
    "SECRET_BLOCK_LIFETIME",
    "ChallengeSealer",
    "CodeAsked",
    "ConfirmedSignUp",
    "CustomAsked",
    "CustomStep",
    "DeviceAsked",
    "FactorChoiceAsked",
    "MfaChoiceAsked",
    "MfaSetupAsked",
    "NewPasswordAsked",
    "PasskeyAsked",
    "PasswordAsked",
    "SecretBlock",
    "Session",
    "SignIn",
    "SignUpCodeAsked",
    "TotpAsked",
    "decode_base64",
]

SECRET_BLOCK_LIFETIME = timedelta(seconds=60)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LENGTH_BYTES = 4
_LEAST_BYTES = 1024
"""Challenges to names of up to 128 letters of ASCII are shorter."""
_MAX_TEXT = 8192
_MAX_SESSION = 4096
"""What a client may send back (botocore's cognito-idp model, SessionType)."""


class CustomStep(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One entry of the `session` that DefineAuthChallenge sees."""

    challenge_name: str
    challenge_result: bool
    challenge_metadata: str | None = None


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """How far one sign-in has come. It is never on the wire but inside a seal."""

    flow: Literal["PASSWORD", "USER_SRP_AUTH", "USER_AUTH", "CUSTOM_AUTH"]
    """PASSWORD stands for the three flows that send one."""
    username: str
    """As the client presented it."""
    username_key: str
    user_id: str
    """The internal user name; a made-up one where nobody has the name."""
    sub: str
    """A made-up one, of the same length, where nobody has the name: a seal tells the length of what is in it."""
    missing: bool
    """Nobody has the name, and the client is not told."""
    begun_at: datetime = _LONG_AGO
    """Challenges that were sealed before this was kept say nothing: whoever was ever signed out begins anew."""
    device_key: str | None = None
    """The device that the client says it is."""
    proven: tuple[str, ...] = ()
    """The challenges that were passed, by their names."""
    password: bytes = b""
    """Which password was shown (`vault.fingerprint_of`): with another one by now the sign-in does not go on."""
    steps: tuple[CustomStep, ...] = ()
    custom_done: bool = False
    """DefineAuthChallenge has said that tokens may be issued."""
    passkey_counts_as_mfa: bool = False

    def with_proof(self, challenge_name: str) -> "SignIn":
        return msgspec.structs.replace(self, proven=(*self.proven, challenge_name))

    def with_password(self, challenge_name: str, fingerprint: bytes) -> "SignIn":
        """With the proof of a password."""
        return msgspec.structs.replace(self, proven=(*self.proven, challenge_name), password=fingerprint)

    def with_device(self, device_key: str | None) -> "SignIn":
        """With the device that this answer names; one that was named before stays."""
        return self if device_key is None else msgspec.structs.replace(self, device_key=device_key)


class NewPasswordAsked(msgspec.Struct, frozen=True, kw_only=True, tag="NEW_PASSWORD_REQUIRED"):
    """A good temporary password was shown; a new one is owed."""

    password: bytes = b""
    """The password that the new one is to take the place of (`vault.fingerprint_of`)."""


class CodeAsked(msgspec.Struct, frozen=True, kw_only=True, tag="CODE"):
    """A code was sent, or it was said so."""

    challenge_name: Literal["SMS_MFA", "EMAIL_OTP", "SMS_OTP"]
    second_factor: bool
    mac: bytes
    sets_up: str | None = None
    """The mail address that becomes the user's with the right code (`mail_factors`)."""
    sent_to: bytes = b""
    """A hash of the address that it went to: one that is the user's no more shows nothing (`one_time_codes`)."""


class TotpAsked(msgspec.Struct, frozen=True, kw_only=True, tag="SOFTWARE_TOKEN_MFA"):
    """The code of an authenticator app is owed."""


class MfaChoiceAsked(msgspec.Struct, frozen=True, kw_only=True, tag="SELECT_MFA_TYPE"):
    """One of several second factors is to be chosen."""

    choices: tuple[MfaType, ...]


class MfaSetupAsked(msgspec.Struct, frozen=True, kw_only=True, tag="MFA_SETUP"):
    """A second factor is to be set up before the sign-in goes on."""

    choices: tuple[MfaType, ...]
    secret: bytes | None = None
    """That AssociateSoftwareToken handed out on this session."""
    verified: bool = False
    """VerifySoftwareToken has kept the secret for the user."""


class FactorChoiceAsked(msgspec.Struct, frozen=True, kw_only=True, tag="SELECT_CHALLENGE"):
    """One of several first factors is to be chosen."""

    choices: tuple[str, ...]


class PasswordAsked(msgspec.Struct, frozen=True, kw_only=True, tag="PASSWORD"):
    """The password is owed, or the first half of an SRP exchange."""

    challenge_name: Literal["PASSWORD", "PASSWORD_SRP"]


class PasskeyAsked(msgspec.Struct, frozen=True, kw_only=True, tag="WEB_AUTHN"):
    """A passkey is to sign `challenge`."""

    challenge: bytes


class CustomAsked(msgspec.Struct, frozen=True, kw_only=True, tag="CUSTOM_CHALLENGE"):
    """CreateAuthChallenge's question; the private parameters are what VerifyAuthChallengeResponse is given."""

    private_parameters: dict[str, str]
    metadata: str | None


class DeviceAsked(msgspec.Struct, frozen=True, kw_only=True, tag="DEVICE_SRP_AUTH"):
    """The device that the client named is to prove itself."""


class SignUpBegun(msgspec.Struct, frozen=True, kw_only=True, tag="SIGN_UP_BEGUN"):
    """Somebody has just signed up. It proves nothing: the code of the sign-up is owed, and brings another session."""


class ConfirmedSignUp(msgspec.Struct, frozen=True, kw_only=True, tag="CONFIRMED"):
    """Somebody has just shown the code of their sign-up; USER_AUTH may take that for the first factor."""


class SignUpCodeAsked(msgspec.Struct, frozen=True, kw_only=True, tag="SIGN_UP_CODE"):
    """Somebody has shown the password of a user who is not confirmed; the code of the sign-up is owed."""


Asked = (
    NewPasswordAsked
    | CodeAsked
    | TotpAsked
    | MfaChoiceAsked
    | MfaSetupAsked
    | FactorChoiceAsked
    | PasswordAsked
    | PasskeyAsked
    | CustomAsked
    | DeviceAsked
    | SignUpBegun
    | ConfirmedSignUp
    | SignUpCodeAsked
)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that waits for one answer."""

    id: str
    user_pool_id: str
    client_id: str
    expires_at: datetime
    sign_in: SignIn
    asked: Asked


class SecretBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One SRP exchange between our challenge and the client's proof: of a password, or of a device's secret."""

    id: str
    expires_at: datetime
    sign_in: SignIn
    key: bytes
    """That a client with the right secret has arrived at too, and signs its answer with."""
    secret: bytes
    """Which secret: `SrpVerifier.fingerprint`. Another one by the time of the answer makes any answer wrong."""
    device: bool = False
    bare: bool = False
    """Powers are yet to be kept beside the password's verifier, which `secret` is then the fingerprint of."""


S = TypeVar("S", SecretBlock, Session)
A = TypeVar("A", bound=msgspec.Struct)


class ChallengeSealer:
    """Seals, opens and spends challenges of one pool and client."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy, sign_ins: SignInStore) -> None:
        self._master_keys = master_keys
        self._entropy = entropy
        self._ids = UuidSource(entropy)
        self._sign_ins = sign_ins

    # Sessions

    def new_session(self, sign_in: SignIn, asked: Asked, *, pool: UserPool, client: AppClient, now: datetime) -> str:
        """The text of a session that can be answered from now on.

        Raises:
            InvalidLambdaResponseException: with the private parameters of a custom challenge it would be longer than
                clients may send. AWS keeps them instead; here whoever asks is told.
        """
        session = Session(
            id=self.new_id(now),
            user_pool_id=pool.id,
            client_id=client.client_id,
            expires_at=now + timedelta(minutes=client.auth_session_validity),
            sign_in=sign_in,
            asked=asked,
        )
        return self.seal_session(session)

    def begin_sign_up(
        self, username: str, user: User, username_key: str, *, pool: UserPool, client: AppClient, now: datetime
    ) -> str:
        """SignUp's session, which ConfirmSignUp takes."""
        return self.new_session(
            _signing_up(username, user, username_key, now), SignUpBegun(), pool=pool, client=client, now=now
        )

    def begun_sign_up(self, text: str, *, pool: UserPool, client: AppClient) -> SignIn:
        """What a session of SignUp says, however old it is: people read their mail when they do.

        Raises:
            NotAuthorizedException: it is not one of ours for this client, or for something else.
        """
        session, _ = self.open_session(text, SignUpBegun, pool=pool, client=client, now=_LONG_AGO)
        return session.sign_in

    def after_sign_up(
        self, username: str, stored: StoredUser, *, pool: UserPool, client: AppClient, now: datetime
    ) -> str:
        """ConfirmSignUp's session: USER_AUTH takes it for the first factor of who has just shown the code, once."""
        sign_in = _signing_up(username, stored.user, stored.username_key, now)
        return self.new_session(sign_in, ConfirmedSignUp(), pool=pool, client=client, now=now)

    def seal_session(self, session: Session) -> str:
        """The text of a session that was made before; see `new_session`."""
        text = encode_base64url(self._seal(session, b""))
        if len(text) > _MAX_SESSION:
            raise InvalidLambdaResponseException(
                "Unrecognizable lambda output", detail="the challenge's parameters do not fit into a session"
            )
        return text

    def open_session(
        self, text: str | None, kind: type[A], *, pool: UserPool, client: AppClient, now: datetime
    ) -> tuple[Session, A]:
        """The session, and what it asked, which is of `kind`. It is not spent yet.

        Raises:
            InvalidParameterException: there is no session.
            NotAuthorizedException: it is not one of ours for this client and this challenge, or too old.
        """
        session = self.open_any_session(text, now=now)
        if session.user_pool_id != pool.id or session.client_id != client.client_id:
            raise NotAuthorizedException("Invalid session for the user.", detail="not one of this client's")
        if not isinstance(session.asked, kind):
            raise NotAuthorizedException("Invalid session for the user.", detail="it asks for something else")
        return session, session.asked

    def open_any_session(self, text: str | None, *, now: datetime) -> Session:
        """The session, for operations that are told no client: AssociateSoftwareToken and VerifySoftwareToken.

        Raises:
            InvalidParameterException: there is no session.
            NotAuthorizedException: it is not one of ours, or too old.
        """
        if text is None:
            raise InvalidParameterException("Missing required parameter Session")
        raw = decode_base64url(text)
        session = None if raw is None else self._open(raw, Session, b"")
        if session is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="not one of ours")
        if now >= session.expires_at:
            raise NotAuthorizedException("Invalid session for the user, session is expired.")
        return session

    async def spend(self, challenge: Session | SecretBlock, *, now: datetime) -> bool:
        """Whether this caller is the one whose answer counts."""
        return await self._sign_ins.spend_challenge(challenge.id, expires_at=challenge.expires_at, now=now)

    async def spend_session(self, session: Session, *, now: datetime) -> None:
        """
        Raises:
            NotAuthorizedException: it was spent before.
        """
        if not await self.spend(session, now=now):
            raise NotAuthorizedException("Invalid session for the user, session can only be used once.")

    # Secret blocks

    def seal_block(self, block: SecretBlock, *, pool: UserPool, client: AppClient) -> bytes:
        return self._seal(block, _context(pool, client))

    def open_block(self, sealed: bytes, *, pool: UserPool, client: AppClient) -> SecretBlock | None:
        """What we sealed for this pool and client, old or not; None for anything else."""
        return self._open(sealed, SecretBlock, _context(pool, client))

    def new_id(self, now: datetime) -> str:
        return self._ids.next_ordered(now)

    def _seal(self, challenge: Session | SecretBlock, context: bytes) -> bytes:
        return self._master_keys.seal(
            _padded(msgspec.msgpack.encode(challenge)),
            purpose=_purpose(type(challenge)),
            entropy=self._entropy,
            context=context,
        )

    def _open(self, sealed: bytes, kind: type[S], context: bytes) -> S | None:
        try:
            opened = self._master_keys.open(sealed, purpose=_purpose(kind), context=context)
            return msgspec.msgpack.decode(_unpadded(opened), type=kind)
        except (SealBroken, msgspec.DecodeError):
            return None  # the second: sealed by another version of us, and good for nothing by now


def _signing_up(username: str, user: User, username_key: str, now: datetime) -> SignIn:
    return SignIn(
        flow="USER_AUTH",
        username=username,
        username_key=username_key,
        user_id=user.username,
        sub=user.sub,
        begun_at=now,
        missing=False,
    )


def decode_base64(text: str) -> bytes | None:
    """Standard base64, strictly: no second spelling of the same bytes; None for anything else."""
    if len(text) > _MAX_TEXT:
        return None
    try:
        decoded = a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return decoded if b2a_base64(decoded, newline=False) == text.encode() else None


def decode_base64url(text: str) -> bytes | None:
    """base64url without padding; None for anything else."""
    return decode_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _padded(encoded: bytes) -> bytes:
    """As long for a user as for a name that nobody has: what a user is called inside has a length of its own."""
    return (len(encoded).to_bytes(_LENGTH_BYTES) + encoded).ljust(_LEAST_BYTES, b"\0")


def _unpadded(padded: bytes) -> bytes:
    return padded[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES])]


def _purpose(kind: type[SecretBlock | Session]) -> str:
    return "userpools.secret-block" if kind is SecretBlock else "userpools.session"


def _context(pool: UserPool, client: AppClient) -> bytes:
    return f"{pool.id}|{client.client_id}".encode()
