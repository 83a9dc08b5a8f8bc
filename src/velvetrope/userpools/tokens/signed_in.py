"""Who an access token stands for.

The token names its pool; it is verified with that pool's keys, its session and its user are looked up, and it must hold
the scope `aws.cognito.signin.user.admin`.

Source: Cognito Developer Guide, "Using the access token"; user-pools reference section 6 for the sentences.
"""

from dataclasses import dataclass
from datetime import datetime

from velvetrope.operations import Call
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, StoredUser, UserPool, UserPoolStore
from velvetrope.tokens import InvalidToken, TokenExpired, TokenRevoked, VerifiedToken, claimed_issuer
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import NotAuthorizedException
from velvetrope.userpools.tokens.issuing import SELF_SERVICE_SCOPE
from velvetrope.userpools.tokens.verification import TokenVerification

__all__ = ["AccessTokens", "SignedIn"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a token stands for, and through which client they signed in."""

    pool: UserPool
    client: AppClient
    stored: StoredUser
    token: VerifiedToken
    now: datetime


class AccessTokens:
    """Finds the user behind the access token of a self-service operation."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory, verification: TokenVerification) -> None:
        self._store = store
        self._directory = directory
        self._verification = verification

    async def signed_in(self, call: Call, access_token: Secret[str]) -> SignedIn:
        """Who the token stands for.

        Raises:
            NotAuthorizedException: it does not stand, or has not the scope.
            PasswordResetRequiredException: the user has to choose another password first.
        """
        text = access_token.reveal()
        try:
            pool = await self._store.load_pool(claimed_issuer(text).rpartition("/")[2])
            if pool is None:
                raise NotAuthorizedException("Invalid Access Token", detail="no such user pool")
            verified, stored = await self._verification.verify_access_token(pool, text, now=call.now)
        except TokenExpired:
            raise NotAuthorizedException("Access Token has expired") from None
        except TokenRevoked as reason:
            raise NotAuthorizedException("Access Token has been revoked", detail=reason.message) from None
        except InvalidToken as reason:
            raise NotAuthorizedException("Invalid Access Token", detail=reason.message) from None
        if SELF_SERVICE_SCOPE not in str(verified.claims.get("scope", "")).split(" "):
            raise NotAuthorizedException("Access Token does not have required scopes")
        client = await self._directory.client_of(pool.id, str(verified.claims["client_id"]))
        return SignedIn(pool, client, stored, verified, call.now)
