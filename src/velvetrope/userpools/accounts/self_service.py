"""What signed-in users do for themselves, with their access token as the proof.

Who a token stands for is `signed_in`'s subject. What a user sees and changes of their attributes goes through the app
client that the token was issued to. RevokeToken is here too: it ends a session by its refresh token.

Source: Cognito user pools API, GetUser and its siblings; user-pools reference section 6 for the sentences.
"""

from typing import Literal

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidParameterException,
    UnauthorizedException,
    user_missing,
    wrong_credentials,
)
from velvetrope.userpools.factors.mfa_operations import shown_mfa
from velvetrope.userpools.passwords.back_off import BackOff
from velvetrope.userpools.passwords.changes import PasswordChanges
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.tokens.issuing import TokenIssuer
from velvetrope.userpools.tokens.signed_in import AccessTokens, SignedIn
from velvetrope.userpools.users.attributes import readable, rendered
from velvetrope.userpools.users.identities import attributes_with_identities

__all__ = ["SelfServiceOperations"]


class SelfServiceOperations:
    """Operations that an access token authorizes."""

    def __init__(
        self,
        store: UserPoolStore,
        directory: PoolDirectory,
        tokens: AccessTokens,
        issuer: TokenIssuer,
        vault: PasswordVault,
        passwords: PasswordChanges,
        back_off: BackOff,
    ) -> None:
        self._store = store
        self._directory = directory
        self._tokens = tokens
        self._issuer = issuer
        self._vault = vault
        self._passwords = passwords
        self._back_off = back_off

    @operation
    async def get_user(self, call: Call, *, access_token: Secret[str]) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        user = signed_in.stored.user
        shown = attributes_with_identities(user)
        visible = {name: value for name, value in shown.items() if readable(signed_in.client, name)}
        return {"username": user.username, "user_attributes": rendered(user.sub, visible), **shown_mfa(user)}

    @operation
    async def change_password(
        self,
        call: Call,
        *,
        proposed_password: Secret[str],
        access_token: Secret[str],
        previous_password: Secret[str] | None = None,
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        pool, stored = signed_in.pool, signed_in.stored
        if previous_password is None:
            if stored.password_sealed is not None or stored.user.is_federated:
                raise InvalidParameterException("Missing required parameter PreviousPassword")
            await self._set_first_password(signed_in, proposed_password)
            return {}
        await self._back_off.check_not_locked(pool, stored.username_key, now=call.now)
        if not await self._vault.matches(previous_password, stored.password_sealed, pool=pool, sub=stored.user.sub):
            await self._back_off.failed(pool, stored.username_key, now=call.now)
            raise wrong_credentials("wrong previous password")
        await self._back_off.succeeded(pool, stored.username_key, now=call.now)
        changed = await self._passwords.change(
            pool,
            stored,
            proposed_password,
            lambda user: msgspec.structs.replace(
                user, status="CONFIRMED", temporary_password_expires_at=None, modified_at=call.now
            ),
            expected_password=stored.password_sealed,
        )
        if changed is None:
            raise wrong_credentials("the password was changed meanwhile")
        return {}

    async def _set_first_password(self, signed_in: SignedIn, password: Secret[str]) -> None:
        """For who signs in with codes or passkeys alone (model, ChangePasswordRequest, PreviousPassword)."""
        changed = await self._passwords.change(
            signed_in.pool,
            signed_in.stored,
            password,
            lambda user: msgspec.structs.replace(user, modified_at=signed_in.now),
            expected_no_password=True,
        )
        if changed is None:
            raise wrong_credentials("a password was set meanwhile")

    @operation
    async def global_sign_out(self, call: Call, *, access_token: Secret[str]) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        await self._store.change_user(
            signed_in.stored,
            lambda user: msgspec.structs.replace(user, signed_out_at=call.now),
            end_sessions_at=call.now,
        )
        return {}

    @operation
    async def delete_user(self, call: Call, *, access_token: Secret[str]) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        if not await self._store.delete_user(signed_in.stored):
            raise user_missing()
        return None

    @operation
    async def revoke_token(
        self,
        call: Call,
        *,
        token: Secret[str],
        client_id: str,
        client_secret: Secret[str] | None = None,
        revoke_associated_sessions: Literal["NONE", "LINKED"] = "NONE",
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        if not self._directory.client_secret_matches(client, None if client_secret is None else client_secret.reveal()):
            raise UnauthorizedException("Invalid client secret")  # text UNVERIFIED
        if revoke_associated_sessions == "LINKED" and pool.tracks_sessions:
            # It would end the browser's session that the tokens came by, which is not known here. Without session
            # tracking it has no effect on AWS either (model).
            raise InvalidParameterException(
                "RevokeAssociatedSessions LINKED is not supported by velvetrope in a user pool that tracks sessions."
            )
        await self._issuer.revoke(pool, client, token.reveal(), now=call.now)
        return {}
