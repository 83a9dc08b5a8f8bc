"""Passkeys: registering a WebAuthn credential, and signing in with one.

The relying party is the domain that the pool names (`mfa_settings.relying_party_id`). A page is the relying party's if
it was loaded over https from that domain or one below it, or from localhost where localhost is the domain: browsers
hold pages to the same rule (WebAuthn section 5.1.3 step 8), and the page's origin in the signed client data is held to
it here again. One that another site's page has framed is not: nobody sees there whom they sign in to (UNVERIFIED on
AWS; Level 3 sections 7.1 and 7.2, crossOrigin, where relying parties may expect it). What is signed, by which key and
for whom, is verified by the `webauthn` library; that a challenge is answered once, that the credential is this
user's, by its user handle too, and that its counter grows is this file's and the store's.

Whether the authenticator must have verified its user, and what a passkey then counts for, is `passkey_mfa`'s to say.

Sources: W3C Web Authentication Level 2, sections 5.1.3, 6.1.1, 7.1 and 7.2; Cognito Developer Guide, "Passkey sign-in";
botocore's cognito-idp model for the errors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy
from velvetrope.store.tables.userpools import AppClient, StoredUser, User, UserPool
from velvetrope.store.tables.userpools_factors import FactorStore, Passkey, PasskeyRegistration
from velvetrope.userpools.challenges import ChallengeSealer, PasskeyAsked, SignIn
from velvetrope.userpools.directory import PoolDirectory, username_form
from velvetrope.userpools.errors import (
    InvalidParameterException,
    LimitExceededException,
    WebAuthnChallengeNotFoundException,
    WebAuthnClientMismatchException,
    WebAuthnConfigurationMissingException,
    WebAuthnCredentialNotSupportedException,
    WebAuthnNotEnabledException,
    WebAuthnOriginNotAllowedException,
    WebAuthnRelyingPartyMismatchException,
    wrong_credentials,
)
from velvetrope.userpools.factors.mfa_settings import relying_party_id
from velvetrope.userpools.factors.passkey_mfa import stands_for_both_factors, user_verification
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_username, required

__all__ = ["Passkeys", "Registrant"]

_CHALLENGE_BYTES = 32
_REGISTRATION_LIFETIME = timedelta(minutes=5)
_TIMEOUT_MS = 180_000
_MAX_PASSKEYS = 20  # Developer Guide, "Passkey sign-in"
_MAX_CREDENTIAL_ID_BYTES = 1023  # Level 3 section 7.1, credentialId
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What parsers of CBOR and JSON raise for bytes that are neither, besides the library's own errors."""


class _ClientData(msgspec.Struct, frozen=True, rename="camel"):
    origin: str
    cross_origin: bool = False
    """Whether a page of another origin has framed it."""


@dataclass(frozen=True, slots=True)
class Registrant:
    """Whose authenticator is being registered, and through which client: somebody who is signed in."""

    pool: UserPool
    client: AppClient
    stored: StoredUser
    now: datetime


class Passkeys:
    """Both ceremonies."""

    def __init__(
        self, *, factors: FactorStore, challenges: ChallengeSealer, directory: PoolDirectory, entropy: Entropy
    ) -> None:
        self._factors = factors
        self._challenges = challenges
        self._directory = directory
        self._entropy = entropy

    # Registration

    async def begin_registration(self, signed_in: Registrant) -> dict[str, object]:
        """PublicKeyCredentialCreationOptionsJSON for the user's authenticator.

        Raises:
            WebAuthnNotEnabledException, WebAuthnConfigurationMissingException: the pool has no passkeys, or no domain.
        """
        import webauthn  # it brings OpenSSL bindings along that a start does not need
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        pool, stored = signed_in.pool, signed_in.stored
        rp_id = _relying_party(pool)
        registration = PasskeyRegistration(
            challenge=self._entropy.token_bytes(_CHALLENGE_BYTES),
            client_id=signed_in.client.client_id,
            relying_party_id=rp_id,
            expires_at=signed_in.now + _REGISTRATION_LIFETIME,
        )
        await self._factors.begin_passkey_registration(pool.id, stored.username_key, registration)
        known = await self._factors.load_passkeys(pool.id, stored.username_key)
        options = webauthn.generate_registration_options(
            rp_id=rp_id,
            rp_name=rp_id,
            user_id=stored.user.sub.encode(),
            user_name=stored.user.attributes.get("email") or stored.user.username,
            user_display_name=stored.user.username,
            challenge=registration.challenge,
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement(user_verification(pool, stored.user)),
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(passkey.credential_id))
                for passkey in known
            ],
        )
        return dict(options_to_json_dict(options))

    async def has_any(self, pool: UserPool, user: User) -> bool:
        """Whether the user has registered a credential, for whichever relying party."""
        return bool(await self._factors.load_passkeys(pool.id, username_form(pool, user.username)))

    async def complete_registration(self, signed_in: Registrant, credential: object) -> None:
        """Keep the credential that an authenticator made.

        Raises:
            WebAuthnChallengeNotFoundException: none was begun, or too long ago, or another one since.
            WebAuthnClientMismatchException: it was begun through another client.
            WebAuthnOriginNotAllowedException, WebAuthnRelyingPartyMismatchException: made for another page or domain.
            WebAuthnCredentialNotSupportedException: it proves nothing.
            LimitExceededException: the user has as many as one can have.
        """
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        pool, stored = signed_in.pool, signed_in.stored
        rp_id = _relying_party(pool)
        begun = await self._factors.consume_passkey_registration(pool.id, stored.username_key)
        if begun is None or signed_in.now >= begun.expires_at:
            raise WebAuthnChallengeNotFoundException("No registration was begun, or it has expired.")
        if begun.client_id != signed_in.client.client_id:
            raise WebAuthnClientMismatchException("The registration was begun through another app client.")
        if begun.relying_party_id != rp_id:
            raise WebAuthnRelyingPartyMismatchException("The user pool has another relying party ID by now.")
        given = _parse_credential(credential)
        origin = _origin(given)
        if not _is_origin_of(origin, rp_id):
            raise WebAuthnOriginNotAllowedException("The origin of the credential is not the relying party's.")
        try:
            verified = webauthn.verify_registration_response(
                credential=given,
                expected_challenge=begun.challenge,
                expected_rp_id=rp_id,
                expected_origin=origin,
                require_user_verification=user_verification(pool, stored.user) == "required",
            )
        except (WebAuthnException, *_UNREADABLE) as broken:
            raise WebAuthnCredentialNotSupportedException(
                "The credential could not be verified.", detail=str(broken)
            ) from None
        if len(verified.credential_id) > _MAX_CREDENTIAL_ID_BYTES:
            raise WebAuthnCredentialNotSupportedException("The credential's ID is too long.")
        passkey = Passkey(
            credential_id=encode_base64url(verified.credential_id),
            public_key=verified.credential_public_key,
            friendly_name=f"Passkey of {signed_in.now:%Y-%m-%d}",
            relying_party_id=rp_id,
            transports=_transports(given),
            attachment=_attachment(given),
            created_at=signed_in.now,
        )
        match await self._factors.create_passkey(
            pool.id, stored.username_key, passkey, sign_count=verified.sign_count, limit=_MAX_PASSKEYS
        ):
            case "exists":
                raise WebAuthnCredentialNotSupportedException("The credential is registered already.")
            case "too_many":
                raise LimitExceededException(f"A user has at most {_MAX_PASSKEYS} passkeys.")
            case "created":
                return

    # Sign-in

    async def ask(
        self, turn: Turn, sign_in: SignIn, user: User, known: Sequence[Passkey], available: tuple[str, ...] | None
    ) -> NextChallenge:
        """WEB_AUTHN, with the credentials of the user that can answer it."""
        import webauthn
        from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

        challenge = self._entropy.token_bytes(_CHALLENGE_BYTES)
        options = webauthn.generate_authentication_options(
            rp_id=_relying_party(turn.pool),
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            allow_credentials=[
                PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(passkey.credential_id))
                for passkey in known
            ],
            user_verification=UserVerificationRequirement(user_verification(turn.pool, user)),
        )
        session = self._challenges.new_session(
            sign_in, PasskeyAsked(challenge=challenge), pool=turn.pool, client=turn.client, now=turn.now
        )
        parameters = {
            "CREDENTIAL_REQUEST_OPTIONS": webauthn.options_to_json(options),
            "USERNAME": sign_in.user_id,
        }
        return NextChallenge("WEB_AUTHN", parameters, session, available)

    async def answer(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str], stored: StoredUser | None
    ) -> Answered:
        """The sign-in with a passkey's signature. The session is spent by asking: one answer is looked at.

        Raises:
            NotAuthorizedException: the session does not stand, or the signature is not one of this user's passkeys.
        """
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        session, asked = self._challenges.open_session(
            session_text, PasskeyAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        given = _parse_credential(required(responses, "CREDENTIAL"))
        await self._challenges.spend_session(session, now=turn.now)
        rp_id = _relying_party(turn.pool)
        found = await self._factors.load_passkey(turn.pool.id, sign_in.username_key, str(given.get("id")))
        if stored is None or stored.user.sub != sign_in.sub or found is None:
            raise wrong_credentials("the user has no such passkey")
        if not _is_handle_of(stored.user, given):
            raise wrong_credentials("the authenticator calls the passkey another user's")
        passkey, sign_count = found
        origin = _origin(given)
        if not _is_origin_of(origin, rp_id) or passkey.relying_party_id != rp_id:
            raise wrong_credentials("the passkey was used for another relying party")
        try:
            verified = webauthn.verify_authentication_response(
                credential=given,
                expected_challenge=asked.challenge,
                expected_rp_id=rp_id,
                expected_origin=origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=user_verification(turn.pool, stored.user) == "required",
            )
        except (WebAuthnException, *_UNREADABLE) as broken:
            raise wrong_credentials(f"the passkey's answer is wrong: {broken}") from None
        if not await self._factors.advance_passkey(
            turn.pool.id, passkey.credential_id, sign_count=verified.new_sign_count
        ):
            raise wrong_credentials("the passkey's counter did not grow: it may have been copied")
        proven = msgspec.structs.replace(
            sign_in.with_proof("WEB_AUTHN"),
            passkey_counts_as_mfa=stands_for_both_factors(turn.pool, stored.user) and verified.user_verified,
        )
        return Answered(proven, stored)


def _relying_party(pool: UserPool) -> str:
    if "WEB_AUTHN" not in pool.allowed_first_auth_factors:
        raise WebAuthnNotEnabledException("Passkeys are not enabled for the user pool.")
    rp_id = relying_party_id(pool)
    if rp_id is None:
        raise WebAuthnConfigurationMissingException("The user pool has neither a relying party ID nor a domain.")
    return rp_id


def _parse_credential(credential: object) -> dict[str, object]:
    """
    Raises:
        InvalidParameterException: not a JSON object.
    """
    if isinstance(credential, str):
        try:
            credential = json.loads(credential)
        except (ValueError, RecursionError):
            raise InvalidParameterException("CREDENTIAL is not a JSON object.") from None
    if not isinstance(credential, dict):
        raise InvalidParameterException("Credential is not a JSON object.")
    return credential


def _origin(credential: Mapping[str, object]) -> str:
    """The page's origin as the browser wrote it into the client data; the empty text where it stands for no page.

    It is not believed here: the library holds the signature against the same bytes.
    """
    import webauthn

    response = credential.get("response")
    text = response.get("clientDataJSON") if isinstance(response, dict) else None
    if not isinstance(text, str):
        return ""
    try:
        said = msgspec.json.decode(webauthn.base64url_to_bytes(text), type=_ClientData)
    except ValueError:
        return ""
    return "" if said.cross_origin else said.origin


def _is_handle_of(user: User, credential: Mapping[str, object]) -> bool:
    """Whether the user handle is the one that the credential was made with, if the authenticator gives one.

    Source: section 7.2 step 6, for users who have been identified before.
    """
    import webauthn

    response = credential.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    if handle is None:
        return True
    try:
        return isinstance(handle, str) and webauthn.base64url_to_bytes(handle) == user.sub.encode()
    except ValueError:
        return False


def _is_origin_of(origin: str, rp_id: str) -> bool:
    try:
        parts = urlsplit(origin)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return False
    if rp_id == "localhost":
        return host == "localhost" and parts.scheme in {"http", "https"}
    return parts.scheme == "https" and (host == rp_id or host.endswith(f".{rp_id}"))


def _transports(credential: Mapping[str, object]) -> tuple[str, ...]:
    response = credential.get("response")
    named = response.get("transports") if isinstance(response, dict) else None
    return tuple(str(name)[:32] for name in named[:8]) if isinstance(named, list) else ()


def _attachment(credential: Mapping[str, object]) -> str | None:
    named = credential.get("authenticatorAttachment")
    return named if named in {"platform", "cross-platform"} and isinstance(named, str) else None
