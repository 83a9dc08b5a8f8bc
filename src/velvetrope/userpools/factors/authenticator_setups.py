"""Setting an authenticator app up: a secret is handed out, and kept once a code shows that an app has it.

Somebody who is signed in does so at any time; their secret waits at the user. Somebody in the middle of a sign-in does
so with the session of MFA_SETUP, and the secret travels in it; there the app takes the place of nothing: who has a
second factor by now cannot set another one up without it.

Source: Cognito user pools API, AssociateSoftwareToken, VerifySoftwareToken.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from velvetrope.store.tables.userpools import StoredUser, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_factors import FactorStore, SoftwareToken
from velvetrope.userpools.challenges import ChallengeSealer, MfaSetupAsked, Session
from velvetrope.userpools.errors import (
    EnableSoftwareTokenMFAException,
    NotAuthorizedException,
    SoftwareTokenMFANotFoundException,
    user_missing,
)
from velvetrope.userpools.factors.authenticator_apps import NOT_THE_APPS, AuthenticatorApps, base32
from velvetrope.userpools.factors.mfa_preferences import switched_on, with_mfa_enabled
from velvetrope.userpools.factors.one_time_codes import code_lock
from velvetrope.userpools.passwords.back_off import BackOff
from velvetrope.userpools.turns import check_stands

__all__ = ["AuthenticatorSetter", "AuthenticatorSetups"]


@dataclass(frozen=True, slots=True)
class AuthenticatorSetter:
    """Whose app is being set up, and in which sign-in if they are not signed in yet."""

    pool: UserPool
    stored: StoredUser
    session: Session | None = None
    asked: MfaSetupAsked | None = None


class AuthenticatorSetups:
    """Hands secrets out and keeps them."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        factors: FactorStore,
        challenges: ChallengeSealer,
        apps: AuthenticatorApps,
        back_off: BackOff,
    ) -> None:
        self._store = store
        self._factors = factors
        self._challenges = challenges
        self._apps = apps
        self._back_off = back_off

    async def setter_of_session(self, session_text: str | None, *, now: datetime) -> AuthenticatorSetter:
        """Whoever has come to MFA_SETUP in their sign-in.

        Raises:
            NotAuthorizedException: the session does not stand, asks for something else, or its user has a factor now.
        """
        session = self._challenges.open_any_session(session_text, now=now)
        asked = session.asked
        if await self._store.load_client(session.client_id) is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="the app client is gone")
        pool = await self._store.load_pool(session.user_pool_id)
        stored = await self._store.load_user(session.user_pool_id, session.sign_in.username_key)
        if pool is None or stored is None or stored.user.sub != session.sign_in.sub or not stored.user.enabled:
            raise NotAuthorizedException("Invalid session for the user.", detail="the user is gone")
        check_stands(session.sign_in, stored)
        if not isinstance(asked, MfaSetupAsked) or asked.verified:
            raise NotAuthorizedException("Invalid session for the user.", detail="nothing is to be set up on it")
        if switched_on(pool, stored.user) or await self._apps.is_set_up(pool, stored.username_key):
            raise NotAuthorizedException("Invalid session for the user.", detail="the user has a second factor by now")
        return AuthenticatorSetter(pool, stored, session, asked)

    async def associate(self, setter: AuthenticatorSetter) -> tuple[str, str | None]:
        """A secret in base32, and in a sign-in the session that goes on with it.

        Raises:
            SoftwareTokenMFANotFoundException: the pool has no authenticator apps.
        """
        pool, stored = setter.pool, setter.stored
        if "SOFTWARE_TOKEN_MFA" not in pool.mfa_types:
            # Text UNVERIFIED; the code is the model's.
            raise SoftwareTokenMFANotFoundException("Software token MFA is not enabled by the userPool")
        secret = self._apps.new_secret()
        if setter.session is not None and setter.asked is not None:
            asked = msgspec.structs.replace(setter.asked, secret=secret)
            changed = msgspec.structs.replace(setter.session, asked=asked)
            return base32(secret), self._challenges.seal_session(changed)
        sealed = self._apps.seal(secret, pool=pool, sub=stored.user.sub)
        await self._factors.change_software_token(
            pool.id, stored.username_key, lambda token: msgspec.structs.replace(token, pending_sealed=sealed)
        )
        return base32(secret), None

    async def verify(
        self, setter: AuthenticatorSetter, user_code: str, *, friendly_name: str | None, now: datetime
    ) -> str | None:
        """The app is kept; in a sign-in it is switched on too, and the session that says so is returned.

        Raises:
            EnableSoftwareTokenMFAException: another code, or another secret was handed out meanwhile.
            SoftwareTokenMFANotFoundException: no secret was handed out.
            NotAuthorizedException: too many guesses were made, or the session was spent.
        """
        pool, stored = setter.pool, setter.stored
        lock = code_lock(stored.username_key)
        await self._back_off.check_not_locked(pool, lock, now=now)
        secret, pending = await self._unproven_secret(setter)
        step = self._apps.step_of(secret, user_code, now=now)
        if step is None:
            await self._back_off.failed(pool, lock, now=now)
            raise EnableSoftwareTokenMFAException("Code mismatch", detail=NOT_THE_APPS)
        await self._back_off.succeeded(pool, lock, now=now)
        if setter.session is not None:
            await self._challenges.spend_session(setter.session, now=now)

        def keep(token: SoftwareToken) -> SoftwareToken | None:
            if token.pending_sealed != pending:
                return None  # another secret was handed out meanwhile
            return SoftwareToken(secret_sealed=sealed, friendly_name=friendly_name)

        sealed = self._apps.seal(secret, pool=pool, sub=stored.user.sub)
        if await self._factors.change_software_token(pool.id, stored.username_key, keep) is None:
            raise EnableSoftwareTokenMFAException("Code mismatch", detail="another secret was handed out meanwhile")
        await self._apps.take_step(pool, stored.username_key, step)
        if setter.session is None or setter.asked is None:
            return None
        # The app was set up because one was demanded, so that it is switched on with it.
        switched_on = await self._store.change_user(
            stored, lambda user: with_mfa_enabled(user, "SOFTWARE_TOKEN_MFA", on=True)
        )
        if switched_on is None:
            raise user_missing()
        done = msgspec.structs.replace(
            setter.session,
            id=self._challenges.new_id(now),
            asked=msgspec.structs.replace(setter.asked, secret=None, verified=True),
        )
        return self._challenges.seal_session(done)

    async def _unproven_secret(self, setter: AuthenticatorSetter) -> tuple[bytes, bytes | None]:
        """The secret that was handed out, and the sealed form in which it waits; None for one in a session."""
        token = await self._factors.load_software_token(setter.pool.id, setter.stored.username_key)
        pending = None if token is None else token.pending_sealed
        if setter.asked is not None:
            if setter.asked.secret is None:
                raise SoftwareTokenMFANotFoundException("No software token was associated with the session.")
            return setter.asked.secret, pending
        if pending is None:
            # Text UNVERIFIED; the code is the model's.
            raise SoftwareTokenMFANotFoundException("User has not set up software token mfa")
        return self._apps.open(pending, pool=setter.pool, sub=setter.stored.user.sub), pending
