"""Access tokens for machines: a client that has shown its secret stands for itself.

    token = await machines.issue(pool, client, scopes=("api/read",), resource=None, client_metadata=None, now=now)

Such a token has AWS's claims and no others: `sub` and `client_id` are the client, there is no user, no session to
revoke and no ID or refresh token; it ends by its `exp`. Only a pre token generation trigger of version 3 is asked about
it.

Sources: Cognito Developer Guide, "Scopes, M2M, and resource servers", "Pre token generation Lambda trigger"; hosted-ui
reference section 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.store.tables.userpools import AppClient, UserPool
from velvetrope.tokens import sign_token
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.tokens.verification import Issuer
from velvetrope.userpools.triggers.invocations import Occasion
from velvetrope.userpools.triggers.token_generation import TokenGeneration
from velvetrope.userpools.workers import Workers

__all__ = ["MachineToken", "MachineTokens"]

_USERNAME = "ClientCredentials"
"""What the trigger's event says where a user's name would be."""


@dataclass(frozen=True, slots=True)
class MachineToken:
    """An access token that was just made. It hides in `repr`."""

    access_token: str = field(repr=False)
    expires_in_seconds: int


class MachineTokens:
    """Issues them."""

    def __init__(
        self, keys: PoolKeys, issuer: Issuer, generation: TokenGeneration, entropy: Entropy, workers: Workers
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._generation = generation
        self._entropy = entropy
        self._workers = workers

    async def issue(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        scopes: tuple[str, ...],
        resource: str | None,
        client_metadata: Mapping[str, str] | None,
        now: datetime,
    ) -> MachineToken:
        """A token with these scopes. Whether the client may have them, and who it is, was found out before.

        Raises:
            UserLambdaValidationException and its siblings: the pre token generation trigger refused.
        """
        occasion = Occasion(pool, _USERNAME, now, client.client_id, client_metadata)
        changes = await self._generation.machine_changes(occasion, scopes=scopes)
        pair = await self._keys.signing_pair(pool.id)
        seconds, issued_at = client.access_token_validity_seconds, int(now.timestamp())
        claims: dict[str, object] = {
            "sub": client.client_id,
            "token_use": "access",
            "scope": " ".join(changes.scopes(scopes)),
            "auth_time": issued_at,
            "iss": self._issuer.name(pool.id),
            "exp": issued_at + seconds,
            "iat": issued_at,
            "version": 2,
            "jti": new_uuid(self._entropy),
            "client_id": client.client_id,
        }
        if resource is not None:
            claims["aud"] = resource
        changed = changes.access_token.applied(claims)
        return MachineToken(await self._workers.brief(lambda: sign_token(changed, pair.access_key)), seconds)
