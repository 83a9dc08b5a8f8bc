"""StartWebAuthnRegistration and its siblings, and GetUserAuthFactors: what a user can sign in with.

Source: Cognito user pools API, StartWebAuthnRegistration, CompleteWebAuthnRegistration, ListWebAuthnCredentials,
DeleteWebAuthnCredential, GetUserAuthFactors, AdminGetUserAuthFactors.
"""

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import StoredUser, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_factors import FactorStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import ResourceNotFoundException
from velvetrope.userpools.factors.first_factors import configured_factors
from velvetrope.userpools.factors.mfa_operations import shown_mfa
from velvetrope.userpools.factors.passkeys import Passkeys, Registrant
from velvetrope.userpools.pages import next_page, page_start
from velvetrope.userpools.tokens.signed_in import AccessTokens, SignedIn

__all__ = ["PasskeyOperations"]


class PasskeyOperations:
    """A user's own passkeys."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        factors: FactorStore,
        directory: PoolDirectory,
        tokens: AccessTokens,
        passkeys: Passkeys,
    ) -> None:
        self._store = store
        self._factors = factors
        self._directory = directory
        self._tokens = tokens
        self._passkeys = passkeys

    @operation
    async def start_web_authn_registration(self, call: Call, *, access_token: Secret[str]) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        return {"credential_creation_options": await self._passkeys.begin_registration(_registrant(signed_in))}

    @operation
    async def complete_web_authn_registration(
        self, call: Call, *, access_token: Secret[str], credential: object
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        await self._passkeys.complete_registration(_registrant(signed_in), credential)
        return {}

    @operation
    async def list_web_authn_credentials(
        self, call: Call, *, access_token: Secret[str], next_token: str | None = None, max_results: int = 20
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        after = page_start(next_token, member="NextToken")
        limit = max_results or 20
        known = await self._factors.load_passkeys(signed_in.pool.id, signed_in.stored.username_key)
        shown = [passkey for passkey in known if passkey.credential_id > after][:limit]
        return {
            "credentials": [
                {
                    "credential_id": passkey.credential_id,
                    "friendly_credential_name": passkey.friendly_name,
                    "relying_party_id": passkey.relying_party_id,
                    "authenticator_attachment": passkey.attachment,
                    "authenticator_transports": passkey.transports,
                    "created_at": passkey.created_at,
                }
                for passkey in shown
            ],
            "next_token": next_page(shown, shown[-1].credential_id if shown else "", limit=limit),
        }

    @operation
    async def delete_web_authn_credential(self, call: Call, *, access_token: Secret[str], credential_id: str) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        pool_id, stored = signed_in.pool.id, signed_in.stored
        if not await self._factors.delete_passkey(pool_id, stored.username_key, credential_id):
            raise ResourceNotFoundException("The credential does not exist.")  # text UNVERIFIED
        if stored.user.passkey_mfa and not await self._factors.load_passkeys(pool_id, stored.username_key):
            await self._store.change_user(stored, lambda user: msgspec.structs.replace(user, passkey_mfa=False))
        return {}

    @operation
    async def get_user_auth_factors(self, call: Call, *, access_token: Secret[str]) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        return await self._auth_factors(signed_in.pool, signed_in.stored)

    @operation
    async def admin_get_user_auth_factors(self, call: Call, *, user_pool_id: str, username: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        return await self._auth_factors(pool, await self._directory.user(pool, username))

    async def _auth_factors(self, pool: UserPool, stored: StoredUser) -> Answer:
        known = await self._factors.load_passkeys(pool.id, stored.username_key)
        factors = configured_factors(pool, stored, has_passkey=bool(known))
        return {
            "username": stored.user.username,
            **shown_mfa(stored.user),
            "configured_user_auth_factors": factors,
        }


def _registrant(signed_in: SignedIn) -> Registrant:
    return Registrant(signed_in.pool, signed_in.client, signed_in.stored, signed_in.now)
