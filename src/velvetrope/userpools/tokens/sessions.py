"""ListUserSessions, RevokeUserSession and their Admin twins: where somebody is signed in, and ending one of these.

A session is a token family: one sign-in, with everything that was issued or refreshed from it. Its id says nothing else
to whoever sees it: it is made from the family's by a hash. Sessions are always known here, so UserSessionTracking,
which switches that on at AWS, is not asked for; when a session was active last is kept in pools that have it on
(`session_settings`), and where and on what is not. The browser's own sessions with the hosted pages (type SSO) are not
listed.

Whoever ends a session needs a token of another one, as on AWS; signing out of one's own is GlobalSignOut or
RevokeToken.

Source: Cognito user pools API, ListUserSessions, RevokeUserSession, AdminListUserSessions, AdminRevokeUserSession.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import StoredUser, UserPool
from velvetrope.store.tables.userpools_sign_in import SignInStore, TokenFamily
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException
from velvetrope.userpools.tokens.signed_in import AccessTokens

__all__ = ["SessionOperations"]

_SHOWN = 125
"""As many as AWS lists, in one page."""
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LETTERS = 25


class SessionOperations:
    """See the module."""

    def __init__(self, store: SignInStore, directory: PoolDirectory, tokens: AccessTokens) -> None:
        self._store = store
        self._directory = directory
        self._tokens = tokens

    @operation
    async def list_user_sessions(self, call: Call, *, access_token: Secret[str]) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        current = str(signed_in.token.claims.get("origin_jti", ""))
        families = await self._families(signed_in.stored, now=call.now)
        return {
            "sessions": [
                {**_described(one, signed_in.pool), "is_current_session": one.origin_jti == current} for one in families
            ]
        }

    @operation
    async def admin_list_user_sessions(self, call: Call, *, user_pool_id: str, username: str) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        stored = await self._directory.user(pool, username)
        return {"sessions": [_described(one, pool) for one in await self._families(stored, now=call.now)]}

    @operation
    async def revoke_user_session(
        self,
        call: Call,
        *,
        access_token: Secret[str],
        session_id: str,
        revoke_associated_sessions: Literal["NONE"] = "NONE",  # noqa: ARG002  no session has others that hang on it
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        if session_id == _session_id(str(signed_in.token.claims.get("origin_jti", ""))):
            # The rule is AWS's, error and words are UNVERIFIED.
            raise InvalidParameterException("The session of the access token cannot be revoked by it.")
        await self._revoke(signed_in.stored, session_id, now=call.now)
        return {}

    @operation
    async def admin_revoke_user_session(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        session_id: str,
        revoke_associated_sessions: Literal["NONE"] = "NONE",  # noqa: ARG002  as above
    ) -> Answer:
        stored = await self._directory.user(await self._directory.pool(user_pool_id), username)
        await self._revoke(stored, session_id, now=call.now)
        return {}

    async def _families(self, stored: StoredUser, *, now: datetime) -> Sequence[TokenFamily]:
        user = stored.user
        families = await self._store.load_families_of_user(user.user_pool_id, user.sub, now=now, limit=_SHOWN)
        # One that a function held up past a sign-out was kept after those of then had been ended.
        return [family for family in families if not user.has_signed_out_since(family.authenticated_at)]

    async def _revoke(self, stored: StoredUser, session_id: str, *, now: datetime) -> None:
        for family in await self._families(stored, now=now):
            if _session_id(family.origin_jti) == session_id:
                await self._store.revoke_family(family.origin_jti, now=now)
                return
        raise ResourceNotFoundException("Session not found.")  # text UNVERIFIED


def _described(family: TokenFamily, pool: UserPool) -> dict[str, object]:
    """UserSessionType."""
    described: dict[str, object] = {
        "session_id": _session_id(family.origin_jti),
        "session_type": "TOKEN",
        "client_id": family.client_id,
        "create_date": family.authenticated_at,
    }
    return {**described, "last_active_date": family.last_active_at} if pool.tracks_sessions else described


def _session_id(origin_jti: str) -> str:
    number = int.from_bytes(hashlib.sha256(origin_jti.encode()).digest())
    letters = [_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(_ID_LETTERS)]
    return "tkn" + "".join(letters)
