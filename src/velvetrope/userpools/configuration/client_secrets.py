"""Secrets of app clients: a client may have two for a while, so that it can be given a new one without a pause.

    add the second, roll it out, delete the first

Any of a client's secrets is as good as the other, wherever it proves itself (SECRET_HASH and the token endpoint). A
client that was made without one stays public, and a confidential one keeps its last. A secret is shown once, when it
was made here; DescribeUserPoolClient goes on to show the oldest, as it always did.

Source: Cognito user pools API, AddUserPoolClientSecret, ListUserPoolClientSecrets, DeleteUserPoolClientSecret.
"""

from collections.abc import Callable

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric, new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, ClientSecret, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)

__all__ = ["ClientSecretOperations", "new_client_secret"]

_SECRETS_OF_A_CLIENT = 2
_GENERATED_CHARACTERS = 51  # as on AWS


def new_client_secret(entropy: Entropy) -> Secret[str]:
    """A secret as AWS makes them."""
    return Secret(new_alphanumeric(entropy, _GENERATED_CHARACTERS))


class ClientSecretOperations:
    """AddUserPoolClientSecret and its siblings. Their texts are UNVERIFIED."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory, entropy: Entropy) -> None:
        self._store = store
        self._directory = directory
        self._entropy = entropy

    @operation
    async def add_user_pool_client_secret(
        self, call: Call, *, user_pool_id: str, client_id: str, client_secret: Secret[str] | None = None
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        secret = new_client_secret(self._entropy) if client_secret is None else client_secret
        added = ClientSecret(
            secret_id=new_uuid(self._entropy),
            sealed=self._directory.seal_client_secret(client_id, secret, self._entropy),
            created_at=call.now,
        )

        def add(client: AppClient) -> AppClient:
            if not client.has_secret:
                raise InvalidParameterException(f"Client {client_id} is not configured with a secret.")
            if len(client.secrets) >= _SECRETS_OF_A_CLIENT:
                raise LimitExceededException(f"An app client has at most {_SECRETS_OF_A_CLIENT} secrets.")
            return msgspec.structs.replace(client, added_secrets=(*client.added_secrets, added), modified_at=call.now)

        await self._change(user_pool_id, client_id, add)
        return {
            "client_secret_descriptor": {
                **_described(added),
                # Only who does not know it yet is told.
                "client_secret_value": secret.reveal() if client_secret is None else None,
            }
        }

    @operation
    async def list_user_pool_client_secrets(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        client_id: str,
        next_token: str | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        if next_token is not None:
            raise InvalidParameterException("NextToken is not valid: all secrets are in the first answer.")
        client = await self._directory.client_of(user_pool_id, client_id)
        return {"client_secrets": [_described(secret) for secret in client.secrets]}

    @operation
    async def delete_user_pool_client_secret(
        self, call: Call, *, user_pool_id: str, client_id: str, client_secret_id: str
    ) -> Answer:
        await self._directory.pool(user_pool_id)

        def remove(client: AppClient) -> AppClient:
            if client_secret_id not in {secret.secret_id for secret in client.secrets}:
                raise ResourceNotFoundException(f"Client secret {client_secret_id} does not exist.")
            if len(client.secrets) == 1:
                raise InvalidParameterException("The last secret of an app client can not be deleted.")
            return msgspec.structs.replace(
                client,
                secret_sealed=None if client_secret_id == client.client_id else client.secret_sealed,
                added_secrets=tuple(one for one in client.added_secrets if one.secret_id != client_secret_id),
                modified_at=call.now,
            )

        await self._change(user_pool_id, client_id, remove)
        return {}

    async def _change(self, user_pool_id: str, client_id: str, change: Callable[[AppClient], AppClient]) -> None:
        if await self._store.change_client(user_pool_id, client_id, change) is None:
            raise ResourceNotFoundException(f"User pool client {client_id} does not exist.")


def _described(secret: ClientSecret) -> dict[str, object]:
    """ClientSecretDescriptorType, without the secret."""
    return {"client_secret_id": secret.secret_id, "client_secret_create_date": secret.created_at}
