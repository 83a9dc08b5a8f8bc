"""How sessions are kept: SetUserPoolSessionConfiguration of a pool, SetUserPoolClientSessionConfiguration of a client.

A pool says whether it tracks sessions, and how many of them a user may have.

Where it does, a sign-in that would be one too many ends the session of the user that was not used for longest; nobody
is turned away. Lowering the number ends nothing by itself. When a session was used last, by a sign-in or a refresh, is
kept from then on, and ListUserSessions tells it.

A client says for how many minutes it takes who has signed in with a browser from the browser's session, without asking
them again (`hosted_ui.signed_in`): an hour by itself, from none to 90 days in a pool that tracks sessions. What was set
stays when the pool tracks none any more (UNVERIFIED).

Source: Cognito user pools API, SetUserPoolSessionConfiguration (UserSessionTracking, MaxPerUser),
SetUserPoolClientSessionConfiguration (SSOSession.MaxValidityMinutes).
"""

from typing import Literal

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import AppClient, UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    FeatureUnavailableInTierException,
    InvalidParameterException,
    ResourceNotFoundException,
)

__all__ = ["ClientSsoSession", "SessionSettingsOperations", "TokenSession"]


class TokenSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """UserPoolTokenSessionConfigType. From 1 to 100, which the model says."""

    max_per_user: int


class ClientSsoSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ClientSSOSessionConfigType. From 0 to 129600, which the model says."""

    max_validity_minutes: int


class SessionSettingsOperations:
    """See the module."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def get_user_pool_session_configuration(self, call: Call, *, user_pool_id: str) -> Answer:  # noqa: ARG002
        return _described(await self._directory.pool(user_pool_id))

    @operation
    async def set_user_pool_session_configuration(
        self,
        call: Call,
        *,
        user_pool_id: str,
        user_session_tracking: Literal["ENABLED", "DISABLED"],
        token_session: TokenSession,
    ) -> Answer:
        def change(pool: UserPool) -> UserPool:
            _check_tier(pool)
            return msgspec.structs.replace(
                pool,
                tracks_sessions=user_session_tracking == "ENABLED",
                max_sessions_per_user=token_session.max_per_user,
                modified_at=call.now,
            )

        changed = await self._store.change_pool(user_pool_id, change)
        if changed is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        return _described(changed)

    @operation
    async def get_user_pool_client_session_configuration(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        client_id: str,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        return _described_of_client(await self._directory.client_of(user_pool_id, client_id))

    @operation
    async def set_user_pool_client_session_configuration(
        self, call: Call, *, user_pool_id: str, client_id: str, sso_session: ClientSsoSession
    ) -> Answer:
        minutes = sso_session.max_validity_minutes
        await self._directory.client_of((await self._directory.pool(user_pool_id)).id, client_id)

        def lengthen(pool: UserPool) -> UserPool:
            _check_tier(pool)
            if not pool.tracks_sessions:
                # Error and text UNVERIFIED; the rule is the model's.
                raise InvalidParameterException("The user pool does not have session tracking enabled.")
            return msgspec.structs.replace(pool, longest_sso_minutes=max(pool.longest_sso_minutes, minutes))

        # The pool first: browsers' sessions may be longer than any client takes them for, and not shorter.
        if await self._store.change_pool(user_pool_id, lengthen) is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        changed = await self._store.change_client(
            user_pool_id,
            client_id,
            lambda client: msgspec.structs.replace(client, sso_minutes=minutes, modified_at=call.now),
        )
        if changed is None:
            raise ResourceNotFoundException(f"User pool client {client_id} does not exist.")
        return _described_of_client(changed)


def _check_tier(pool: UserPool) -> None:
    if pool.user_pool_tier == "LITE":
        raise FeatureUnavailableInTierException(
            "Session tracking is not available in the LITE tier."  # text UNVERIFIED; the rule is the model's
        )


def _described_of_client(client: AppClient) -> dict[str, object]:
    return {
        "user_pool_id": client.user_pool_id,
        "client_id": client.client_id,
        "sso_session": {"max_validity_minutes": client.sso_minutes},
    }


def _described(pool: UserPool) -> dict[str, object]:
    return {
        "user_pool_id": pool.id,
        "user_session_tracking": "ENABLED" if pool.tracks_sessions else "DISABLED",
        "token_session": {"max_per_user": pool.max_sessions_per_user},
    }
