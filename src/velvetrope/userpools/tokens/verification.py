"""Verify tokens: that they are ours, and that they stand still.

A token that was proven says what was true when it was issued. Whether its user, its session and its client are there
yet, and nobody has signed the user out since, is looked up (`check_standing`).

Tokens of clients with revocation switched off name no family. They are judged by the moment of the user's last
sign-out, to the second and in doubt against the token.

Sources: user-pools reference section 4; Cognito Developer Guide, "Verifying JSON web tokens", "Ending user sessions
with token revocation".
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from velvetrope.store.tables.userpools import AppClient, StoredUser, User, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.tokens import (
    InvalidToken,
    TokenExpired,
    TokenRevoked,
    TokenSignatureMismatch,
    TokenUse,
    VerifiedToken,
    verify_token,
)
from velvetrope.userpools.tokens.claims import epoch_seconds
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.users.standing import check_no_reset_asked

__all__ = ["Issuer", "TokenVerification"]


@dataclass(frozen=True, slots=True)
class Issuer:
    """The names under which pools issue tokens.

    AWS's form by default; the public URL where the server has one. Both name the same pool, so both are accepted.
    """

    public_url: str | None = None

    def name(self, user_pool_id: str) -> str:
        """What `iss` says in new tokens."""
        return self._aws(user_pool_id) if self.public_url is None else f"{self.public_url.rstrip('/')}/{user_pool_id}"

    def names(self, user_pool_id: str) -> frozenset[str]:
        """What `iss` may say."""
        return frozenset({self._aws(user_pool_id), self.name(user_pool_id)})

    @staticmethod
    def _aws(user_pool_id: str) -> str:
        region = user_pool_id.partition("_")[0]
        return f"https://cognito-idp.{region}.amazonaws.com/{user_pool_id}"


class TokenVerification:
    """Verifies the tokens of all pools."""

    def __init__(self, *, store: UserPoolStore, sign_ins: SignInStore, keys: PoolKeys, issuer: Issuer) -> None:
        self._store = store
        self._sign_ins = sign_ins
        self._keys = keys
        self.issuer = issuer

    async def has_keys(self, user_pool_id: str) -> bool:
        """Whether there is such a pool."""
        return bool((await self._keys.key_set(user_pool_id)).keys)

    async def verify(
        self,
        token: str,
        *,
        user_pool_id: str,
        token_use: TokenUse,
        audiences: Collection[str] | None,
        now: datetime,
    ) -> VerifiedToken:
        """Signature, issuer, use, audience and expiry; neither user nor revocation.

        Raises:
            InvalidToken: one of `tokens`' reasons.
        """
        return verify_token(
            token,
            keys=await self._keys.key_set(user_pool_id),
            issuers=self.issuer.names(user_pool_id),
            token_use=token_use,
            audiences=audiences,
            now=now,
        )

    async def verify_access_token(
        self, pool: UserPool, token: str, *, now: datetime
    ) -> tuple[VerifiedToken, StoredUser]:
        """A token that still stands: verified, its client and session there, its user there and enabled.

        Raises:
            InvalidToken: one of `tokens`' reasons; TokenRevoked for all that happened after the token was issued.
            PasswordResetRequiredException: the user has to choose another password first.
        """
        verified = await self.verify(token, user_pool_id=pool.id, token_use="access", audiences=None, now=now)  # noqa: S106
        client = await self._store.load_client(str(verified.claims.get("client_id")))
        if client is None or client.user_pool_id != pool.id:
            raise TokenRevoked("The token's client is gone")
        stored = await self.check_standing(verified, pool.id)
        check_no_reset_asked(stored.user)
        return verified, stored

    async def check_standing(self, verified: VerifiedToken, user_pool_id: str) -> StoredUser:
        """The token's user, if neither they nor the token's session ended since.

        Raises:
            TokenRevoked: the user is gone, disabled or signed out, or the session was revoked.
        """
        stored = await self._store.load_user_by_sub(user_pool_id, verified.sub)
        if stored is None:
            raise TokenRevoked("The token's user is gone")
        if not stored.user.enabled:
            raise TokenRevoked("The token's user is disabled")
        origin_jti = verified.claims.get("origin_jti")
        if isinstance(origin_jti, str):
            family = await self._sign_ins.load_family(origin_jti)
            if family is None or family.revoked_at is not None:
                raise TokenRevoked("The token's session was ended")
            if stored.user.has_signed_out_since(family.authenticated_at):  # kept late, by a function that held it up
                raise TokenRevoked("The token's session was ended")
        elif _signed_out_since(stored.user, verified):
            raise TokenRevoked("The token's user has signed out everywhere")
        return stored

    async def is_ours(self, pool: UserPool, client: AppClient, token: str, *, now: datetime) -> bool:
        """Whether the text is an access or ID token that this pool signed for this client, expired or not."""
        uses: tuple[TokenUse, ...] = ("access", "id")
        for token_use in uses:
            try:
                await self.verify(
                    token, user_pool_id=pool.id, token_use=token_use, audiences=[client.client_id], now=now
                )
            except TokenExpired:
                return True
            except TokenSignatureMismatch:
                return False
            except InvalidToken:
                continue
            return True
        return False


def _signed_out_since(user: User, verified: VerifiedToken) -> bool:
    """To the second, which is all a token says; in doubt against the token."""
    issued_at: int = verified.claims["iat"]
    return user.signed_out_at is not None and issued_at <= epoch_seconds(user.signed_out_at)
