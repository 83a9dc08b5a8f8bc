"""Tokens of pools as other rooms verify them: identity pools, API Gateway."""

from collections.abc import Collection
from datetime import datetime

from velvetrope.tokens import TokenUse, VerifiedToken, claimed_audience
from velvetrope.userpools.tokens.verification import TokenVerification

__all__ = ["PoolTokenVerifier"]


class PoolTokenVerifier:
    """Verifies tokens for whoever was shown one."""

    def __init__(self, verification: TokenVerification) -> None:
        self._verification = verification

    async def verify_id_token(
        self, token: str, *, user_pool_id: str, audiences: Collection[str], now: datetime, check_user: bool
    ) -> VerifiedToken:
        """The token's claims, proven. Both names of the pool are accepted as the issuer, and no grace after `exp`.

        With `check_user`, the user must still be there, enabled, and not signed out since.

        Raises:
            InvalidToken: one of `tokens`' reasons; TokenRevoked only with `check_user`.
        """
        verified = await self._verification.verify(
            token,
            user_pool_id=user_pool_id,
            token_use="id",  # noqa: S106  no password
            audiences=audiences,
            now=now,
        )
        if check_user:
            await self._verification.check_standing(verified, user_pool_id)
        return verified

    async def pool_of_issuer(self, issuer: str) -> str | None:
        """The id of the pool here that `issuer` is a name of; None if it is somebody else's name."""
        user_pool_id = issuer.rpartition("/")[2]
        if issuer not in self._verification.issuer.names(user_pool_id):
            return None
        return user_pool_id if await self._verification.has_keys(user_pool_id) else None

    async def verify_pool_token(
        self, token: str, *, user_pool_id: str, token_use: TokenUse, now: datetime
    ) -> VerifiedToken:
        """A token of any client of the pool, proven; neither user nor revocation is looked up. For API Gateway.

        Raises:
            InvalidToken: one of `tokens`' reasons.
            ResourceNotFoundException: there is no such pool.
        """
        return await self._verification.verify(
            token,
            user_pool_id=user_pool_id,
            token_use=token_use,
            # The pool signs for its own clients only: whichever it names here is one of them.
            audiences=[claimed_audience(token)] if token_use == "id" else None,  # noqa: S105  no password
            now=now,
        )
