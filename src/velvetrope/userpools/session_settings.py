"""SetUserPoolSessionConfiguration and its Get: whether a pool tracks sessions, and how many of them a user may have.

Where it does, a sign-in that would be one too many ends the session of the user that was not used for longest; nobody
is turned away. Lowering the number ends nothing by itself. When a session was used last, by a sign-in or a refresh, is
kept from then on, and ListUserSessions tells it.

Source: Cognito user pools API, SetUserPoolSessionConfiguration (UserSessionTracking, MaxPerUser).
"""

from typing import Literal

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import FeatureUnavailableInTierException, ResourceNotFoundException

__all__ = ["SessionSettingsOperations", "TokenSession"]


class TokenSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """UserPoolTokenSessionConfigType. From 1 to 100, which the model says."""

    max_per_user: int


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
            if pool.user_pool_tier == "LITE":
                raise FeatureUnavailableInTierException(
                    "Session tracking is not available in the LITE tier."  # text UNVERIFIED; the rule is the model's
                )
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


def _described(pool: UserPool) -> dict[str, object]:
    return {
        "user_pool_id": pool.id,
        "user_session_tracking": "ENABLED" if pool.tracks_sessions else "DISABLED",
        "token_session": {"max_per_user": pool.max_sessions_per_user},
    }
