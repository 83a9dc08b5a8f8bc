"""The tokens of the classic flow: signed by us, taken to STS by whoever holds them.

    token = await tokens.issue(pool, identity_id, logins, now=now)          # GetOpenIdToken
    identity = await tokens.verify_web_identity_token(token, now=now)       # AssumeRoleWithWebIdentity

A token is RS512, lives ten minutes unless a developer's backend asks for another time, and names the identity (`sub`),
its pool (`aud`) and how it signed in (`amr`). What verifies it is published: `discovery()` is the issuer's document at
`/.well-known/openid-configuration`, `jwks()` the one at `/.well-known/jwks_uri`. One key signs for all pools of the
server; it is made when the first token is asked for and kept sealed. The algorithm is ours and never read from a token;
a token is dead at `exp`, and so is one of an identity that was deleted or merged away, of a developer user who was
unlinked, or of a guest where there are none any more.

Source: Cognito Identity API, GetOpenIdToken; header, claims and their order as seen on AWS.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from velvetrope.clock import Entropy
from velvetrope.identitypools.logins import COGNITO_PROVIDER, VerifiedLogin
from velvetrope.identitypools.principal_tags import principal_tags
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.identitypools import DeveloperLogin, IdentityPool, IdentityPoolStore, OpenIdKey
from velvetrope.tokens import (
    AudienceMismatch,
    IssuerMismatch,
    NotAToken,
    TokenRevoked,
    TokenSignatureMismatch,
    check_signature,
    check_times,
    named_key,
    read_token,
)

__all__ = [
    "ISSUER",
    "PoolIdentity",
    "PoolOpenIdTokens",
    "authentication_methods",
    "developer_login_in",
    "federation_claims",
]

ISSUER: Final = f"https://{COGNITO_PROVIDER}"
_ALGORITHM: Final = "RS512"
_LIFETIME: Final = timedelta(seconds=600)
_BETWEEN_NODES: Final = timedelta(seconds=5)
"""How far the clock of the node that issued a token may be ahead of ours."""
_PURPOSE: Final = "identitypools open id key"
_TAGS_CLAIM: Final = "https://aws.amazon.com/tags"
_GUEST: Final = ("unauthenticated",)
_POOL_ARN_CLAIM: Final = f"{ISSUER}/identity-pool-arn"


@dataclass(frozen=True, slots=True)
class PoolIdentity:
    """Who a verified pool token stands for, and the condition keys it brings along."""

    provider: str
    subject: str
    audience: str
    claims: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, str]
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str | None = None

    @property
    def authentication_methods(self) -> tuple[str, ...]:
        return self.claims[f"{COGNITO_PROVIDER}:amr"]


def authentication_methods(
    pool_id: str, logins: Sequence[VerifiedLogin], developer_login: DeveloperLogin | None = None
) -> tuple[str, ...]:
    """`cognito-identity.amazonaws.com:amr` of an identity of this pool with these logins."""
    methods = [method for login in logins for method in login.amr]
    if developer_login is not None:
        provider = developer_login.provider
        methods = [provider, f"{provider}:{pool_id}:{developer_login.user_identifier}", *methods]
    return ("authenticated", *methods) if methods else _GUEST


def developer_login_in(methods: tuple[str, ...], pool: IdentityPool) -> DeveloperLogin | None:
    """The developer login that `amr` names, if it names one of this pool's developer provider."""
    provider = pool.developer_provider_name
    if provider is None or methods[:2] != ("authenticated", provider) or len(methods) < 3:
        return None
    prefix = f"{provider}:{pool.id}:"
    return DeveloperLogin(provider, methods[2].removeprefix(prefix)) if methods[2].startswith(prefix) else None


def federation_claims(pool_id: str, identity_id: str, methods: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The condition keys that trust policies and the session's own policies may ask for."""
    return {
        f"{COGNITO_PROVIDER}:aud": (pool_id,),
        f"{COGNITO_PROVIDER}:sub": (identity_id,),
        f"{COGNITO_PROVIDER}:amr": tuple(methods),
    }


class PoolOpenIdTokens:
    """Issues and verifies the tokens of this server's identity pools."""

    def __init__(self, store: IdentityPoolStore, master_keys: MasterKeys, entropy: Entropy, *, region: str) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy
        self._region = region
        self._keys: dict[str, Any] = {}
        self._signing_kid: str | None = None

    async def issue(
        self,
        pool: IdentityPool,
        identity_id: str,
        logins: Sequence[VerifiedLogin],
        *,
        now: datetime,
        developer_login: DeveloperLogin | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
        lifetime: timedelta = _LIFETIME,
    ) -> str:
        """A token for an identity that has proven these logins, or none as a guest.

        `tags` go before those that the pool makes from claims.
        """
        from joserfc import jws

        issued_at = int(now.timestamp())
        claims: dict[str, object] = {
            "sub": identity_id,
            "aud": pool.id,
            "amr": list(authentication_methods(pool.id, logins, developer_login)),
        }
        all_tags = principal_tags(pool, logins, given=tags)
        if all_tags:
            claims[_TAGS_CLAIM] = {"principal_tags": {key: [value] for key, value in all_tags.items()}}
        claims["iss"] = ISSUER
        if logins or developer_login is not None:
            claims[_POOL_ARN_CLAIM] = f"arn:aws:cognito-identity:{pool.region}:{pool.account_id}:identitypool/{pool.id}"
        claims |= {"exp": issued_at + int(lifetime.total_seconds()), "iat": issued_at}
        kid, key = await self._signing_key(now)
        header = {"kid": kid, "typ": "JWS", "alg": _ALGORITHM}
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jws.serialize_compact(header, payload, key, algorithms=[_ALGORITHM])

    async def verify_web_identity_token(self, token: str, *, now: datetime) -> PoolIdentity:
        """The identity that `token` proves.

        Raises:
            NotAToken: not a JWT with the claims that our tokens have.
            IssuerMismatch: another provider's token.
            TokenSignatureMismatch: not signed by our key.
            TokenExpired: at or past `exp`.
            AudienceMismatch: its pool is gone.
            TokenRevoked: its identity is gone or was merged into another, its developer user was unlinked, or it is a
                guest's and the pool has none any more. (UNVERIFIED on AWS, which may let such a token live to its end.)
        """
        header, claims = read_token(token)
        if claims.get("iss") != ISSUER:
            raise IssuerMismatch("The token is another issuer's")
        kid, _ = named_key(header)
        key = None if kid is None else (await self._public_keys()).get(kid)
        if key is None:
            raise TokenSignatureMismatch("The token is signed with a key that is not ours")
        check_signature(token, key, _ALGORITHM)
        check_times(claims, now, tolerance=_BETWEEN_NODES)
        subject, audience, methods = _check_form(claims)
        pool = await self._store.load_pool(audience)
        if pool is None:
            raise AudienceMismatch("The token's identity pool is gone")
        stored = await self._store.load_identity(subject)
        if stored is None or stored.identity.identity_pool_id != audience or not stored.identity.enabled:
            raise TokenRevoked("The token's identity is gone")
        if methods == _GUEST and not pool.allow_unauthenticated_identities:
            raise TokenRevoked("The token's identity pool lets no guests in any more")
        login = developer_login_in(methods, pool)
        if login is not None and login not in stored.developer_logins:
            raise TokenRevoked("The token's developer user was unlinked after it")
        return PoolIdentity(
            provider=COGNITO_PROVIDER,
            subject=subject,
            audience=audience,
            claims=federation_claims(audience, subject, methods),
            tags=_tags_of(claims),
        )

    def discovery(self, *, address: str = ISSUER) -> dict[str, object]:
        """What `https://cognito-identity.amazonaws.com/.well-known/openid-configuration` says.

        `address` is where the keys are served; the issuer is always AWS's, since tokens say so.
        """
        return {
            "issuer": ISSUER,
            "jwks_uri": f"{address}/.well-known/jwks_uri",
            "authorization_endpoint": ISSUER,
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }

    async def jwks(self) -> dict[str, object]:
        """The public keys, as `https://cognito-identity.amazonaws.com/.well-known/jwks_uri` publishes them."""
        keys = await self._public_keys()
        return {
            "keys": [
                {"kty": "RSA", "alg": _ALGORITHM, "use": "sig", "kid": kid, **_numbers(key)}
                for kid, key in keys.items()
            ]
        }

    async def _public_keys(self) -> dict[str, Any]:
        if not self._keys:
            for stored in await self._store.load_open_id_keys():
                self._keys[stored.kid] = self._unseal(stored)
                self._signing_kid = self._signing_kid or stored.kid
        return self._keys

    async def _signing_key(self, now: datetime) -> tuple[str, Any]:
        from joserfc.jwk import RSAKey

        keys = await self._public_keys()
        if self._signing_kid is None:
            fresh = RSAKey.generate_key(2048)
            kid = f"{self._region}-1"
            private = self._master_keys.seal(
                fresh.as_der(private=True), purpose=_PURPOSE, entropy=self._entropy, context=kid.encode()
            )
            stored = await self._store.take_open_id_key(
                OpenIdKey(
                    kid=kid, created_at=now, private_key_sealed=private, public_key_der=fresh.as_der(private=False)
                )
            )
            keys[stored.kid] = self._unseal(stored)
            self._signing_kid = stored.kid
        return self._signing_kid, keys[self._signing_kid]

    def _unseal(self, stored: OpenIdKey) -> Any:  # noqa: ANN401  joserfc's key, imported only when needed
        from joserfc.jwk import RSAKey

        private = Secret(
            self._master_keys.open(stored.private_key_sealed, purpose=_PURPOSE, context=stored.kid.encode())
        )
        return RSAKey.import_key(private.reveal())


def _numbers(key: Any) -> dict[str, object]:  # noqa: ANN401  joserfc's key, imported only when needed
    public = key.as_dict(private=False)
    return {"n": public["n"], "e": public["e"]}


def _check_form(claims: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """Subject, audience and `amr` of a token that we signed."""
    subject, audience, methods = (claims.get(name) for name in ("sub", "aud", "amr"))
    if not (isinstance(subject, str) and isinstance(audience, str) and isinstance(methods, list)):
        raise NotAToken("The token lacks a claim")
    return subject, audience, tuple(str(method) for method in methods)


def _tags_of(claims: Mapping[str, Any]) -> dict[str, str]:
    tags = claims.get(_TAGS_CLAIM, {}).get("principal_tags", {})
    return {str(key): str(values[0]) for key, values in tags.items()}
