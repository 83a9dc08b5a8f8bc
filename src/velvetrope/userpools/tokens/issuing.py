"""Issue, refresh and revoke tokens.

One sign-in makes one family (`origin_jti`). ID and access tokens are RS256 JWTs (`claims`); refresh tokens are
opaque texts in the shape of AWS's JWE, of which only a hash is kept. A refresh issues new ID and access tokens and
keeps `auth_time` and `origin_jti`; with rotation switched on it also replaces the refresh token, and presenting a
replaced one ends the family. Refresh tokens of a family end together, when the first one would have.

Sources: user-pools reference section 4; Cognito Developer Guide, "Using the ID token", "Using the access token", "Using
the refresh token", "Ending user sessions with token revocation"; RFC 9700 section 4.14.2; OIDC Core section 3.1.3.6.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy
from velvetrope.identifiers import UuidSource
from velvetrope.oauth import SYSTEM_SCOPES
from velvetrope.store.tables.userpools import AppClient, Group, StoredUser, User, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_sign_in import NewFamily, SignInStore, TokenFamily
from velvetrope.tokens import sign_token
from velvetrope.userpools.directory import username_form
from velvetrope.userpools.errors import (
    NotAuthorizedException,
    RefreshTokenReuseException,
    UnsupportedOperationException,
    UnsupportedTokenTypeException,
)
from velvetrope.userpools.tokens.claims import ClaimWriter, Granted, Told
from velvetrope.userpools.tokens.resource_servers import ScopeDirectory
from velvetrope.userpools.tokens.signing_keys import PoolKeys, SigningPair
from velvetrope.userpools.tokens.verification import TokenVerification
from velvetrope.userpools.triggers.invocations import Occasion
from velvetrope.userpools.triggers.token_generation import TokenGeneration
from velvetrope.userpools.users.standing import check_no_reset_asked
from velvetrope.userpools.workers import Workers

__all__ = ["SELF_SERVICE_SCOPE", "IssuedTokens", "TokenDraft", "TokenIssuer", "TokensAsked"]

SELF_SERVICE_SCOPE = "aws.cognito.signin.user.admin"
"""What an access token needs for GetUser and its like; the only scope of tokens that InitiateAuth issues."""

_JWE_HEADER = encode_base64url(b'{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}')
_JWE_RANDOM_BYTES = 381
"""What the four parts behind it are spelled from: an encrypted key of 256 bytes, a nonce of 12, a ciphertext of 96 and
a tag of 16. All of them are random here, none of them means anything to anybody."""
_MAX_REFRESH_TOKEN_CHARACTERS = 4096


class IssuedTokens(msgspec.Struct, frozen=True):
    """Tokens that were just made. They hide in `repr`."""

    access_token: str
    id_token: str | None
    refresh_token: str | None
    """None unless a new one was made."""
    expires_in_seconds: int
    origin_jti: str

    def __repr__(self) -> str:
        return f"IssuedTokens({self.origin_jti})"


class TokensAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What the tokens of a new session are to be."""

    scopes: tuple[str, ...]
    authenticated_at: datetime
    hosted: bool
    """Whether they are for an app that came by the OAuth endpoints."""
    nonce: str | None = None
    include_id_token: bool = True
    include_refresh_token: bool = True
    device_key: str | None = None
    resource: str | None = None
    """Whom the access tokens are for (RFC 8707), where the app has said so."""


class TokenDraft(msgspec.Struct, frozen=True):
    """The tokens of a new family, before anything is kept. Call `sign` in a worker, once `new` is in the store."""

    new: NewFamily
    sign: Callable[[], IssuedTokens]


class TokenIssuer:
    """Makes tokens for users, and ends what it made."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        sign_ins: SignInStore,
        keys: PoolKeys,
        verification: TokenVerification,
        generation: TokenGeneration,
        scopes: ScopeDirectory,
        entropy: Entropy,
        workers: Workers,
    ) -> None:
        self._generation = generation
        self._scopes = scopes
        self._store = store
        self._sign_ins = sign_ins
        self._keys = keys
        self._entropy = entropy
        self._ids = UuidSource(entropy)
        self._workers = workers
        self._verification = verification

    # Issue

    async def start_family(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        asked: TokensAsked,
        *,
        now: datetime,
        trigger_source: str = "TokenGeneration_HostedAuth",
        client_metadata: Mapping[str, str] | None = None,
        groups: Sequence[Group] | None = None,
    ) -> IssuedTokens:
        """The tokens of a new sign-in. The family is kept before anybody sees a token of it.

        `groups` are the user's, where they were just read; None has them looked up.

        Raises:
            UserLambdaValidationException and its siblings: the pre token generation trigger refused.
        """
        told = await self._told(
            pool,
            client,
            user,
            asked.scopes,
            now=now,
            trigger_source=trigger_source,
            client_metadata=client_metadata,
            groups=groups,
        )
        pair = await self._keys.signing_pair(pool.id)
        draft = self._draft(pool, client, user, asked, told, pair, now=now)

        def keep_and_sign() -> IssuedTokens:
            # In one piece; where the family cannot be kept there are no tokens.
            self._sign_ins.create_family(draft.new, now=now)
            return draft.sign()

        await self._sign_ins.forget_old(now)
        return await self._workers.brief(keep_and_sign)

    async def drafter(
        self, pool: UserPool, client: AppClient, *, scopes: tuple[str, ...], now: datetime
    ) -> Callable[[StoredUser, str | None], TokenDraft] | None:
        """Writes tokens for whoever signs in, and the device they sign in with, without waiting for anybody.

        For who is in a worker, and has read the user with their groups. None where a function is asked about tokens,
        or a scope has to be looked up.
        """
        if not self._generation.is_silent(pool) or not SYSTEM_SCOPES.issuperset(scopes):
            return None
        pair = await self._keys.signing_pair(pool.id)

        def draft(stored: StoredUser, device_key: str | None) -> TokenDraft:
            told = Told.of(Granted.by(stored.groups or ()), scopes)
            asked = TokensAsked(scopes=scopes, authenticated_at=now, hosted=False, device_key=device_key)
            return self._draft(pool, client, stored.user, asked, told, pair, now=now)

        return draft

    def _draft(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        asked: TokensAsked,
        told: Told,
        pair: SigningPair,
        *,
        now: datetime,
    ) -> TokenDraft:
        seconds = (
            client.refresh_token_validity_seconds
            if asked.include_refresh_token
            else max(client.access_token_validity_seconds, client.id_token_validity_seconds)
        )
        family = TokenFamily(
            origin_jti=self._ids.next_ordered(now),
            user_pool_id=pool.id,
            client_id=client.client_id,
            sub=user.sub,
            scopes=asked.scopes,
            authenticated_at=asked.authenticated_at,
            expires_at=now + timedelta(seconds=seconds),
            device_key=asked.device_key,
            hosted=asked.hosted,
            resource=asked.resource,
        )
        refresh_token = self._new_refresh_token() if asked.include_refresh_token else None
        new = NewFamily(
            family,
            token_hash=None if refresh_token is None else _hash(refresh_token),
            most=pool.max_sessions_per_user if pool.tracks_sessions else None,
        )
        return TokenDraft(
            new,
            lambda: self._sign(
                pool,
                client,
                user,
                family,
                told,
                pair,
                now=now,
                nonce=asked.nonce,
                include_id_token=asked.include_id_token,
                refresh_token=refresh_token,
            ),
        )

    async def _told(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        scopes: tuple[str, ...],
        *,
        now: datetime,
        trigger_source: str,
        client_metadata: Mapping[str, str] | None,
        groups: Sequence[Group] | None = None,
    ) -> Told:
        """What the tokens tell besides the user, after the trigger had its say. Asked before anything is kept.

        Scopes that their resource server has let go of are not told; they come back with it (see `ScopeDirectory`).
        """
        inactive = await self._scopes.inactive(pool, scopes)
        scopes = tuple(scope for scope in scopes if scope not in inactive)
        if groups is None:
            groups = await self._store.load_groups_of_user(pool.id, username_form(pool, user.username))
        granted = Granted.by(groups)
        changes = await self._generation.changes(
            Occasion(pool, user.username, now, client.client_id, client_metadata),
            trigger_source,
            user,
            groups=granted.groups,
            roles=granted.roles,
            preferred_role=granted.preferred_role,
            scopes=scopes,
        )
        return Told.of(granted, scopes, changes)

    def _sign(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        family: TokenFamily,
        told: Told,
        pair: SigningPair,
        *,
        now: datetime,
        nonce: str | None,
        include_id_token: bool,
        refresh_token: str | None,
    ) -> IssuedTokens:
        """The tokens, once their family is kept. Half a millisecond of a worker."""
        issuer = self._verification.issuer.name(pool.id)
        writer = ClaimWriter(issuer, client, user, family, told, now=now, ids=self._ids)
        access_token = sign_token(writer.access_claims(), pair.access_key)
        id_token = None
        if include_id_token:
            at_hash = _at_hash(access_token) if family.hosted else None
            id_token = sign_token(writer.id_claims(nonce=nonce, at_hash=at_hash), pair.id_key)
        return IssuedTokens(
            access_token=access_token,
            id_token=id_token,
            refresh_token=refresh_token,
            expires_in_seconds=client.access_token_validity_seconds,
            origin_jti=family.origin_jti,
        )

    def _new_refresh_token(self) -> str:
        random = encode_base64url(self._entropy.token_bytes(_JWE_RANDOM_BYTES))
        # An A where bytes end within a sign: what is over of it has to be zero (RFC 4648 section 3.5).
        return f"{_JWE_HEADER}.{random[:341]}A.{random[341:357]}.{random[357:485]}.{random[485:506]}A"

    # Refresh

    async def family_of(self, refresh_token: str) -> TokenFamily | None:
        """The family that a refresh token belongs to, in whatever state."""
        if len(refresh_token) > _MAX_REFRESH_TOKEN_CHARACTERS:
            return None
        return await self._sign_ins.load_family_of_token(_hash(refresh_token))

    async def refresh(
        self,
        pool: UserPool,
        client: AppClient,
        refresh_token: str,
        *,
        now: datetime,
        device_key: str | None = None,
        client_metadata: Mapping[str, str] | None = None,
    ) -> IssuedTokens:
        """New ID and access tokens, and a new refresh token if the client rotates them.

        Tokens that a device began are refreshed by naming it.

        Raises:
            NotAuthorizedException: the token is not this client's, expired or revoked, or its user is gone or disabled.
            PasswordResetRequiredException: the user has to choose another password first.
            RefreshTokenReuseException: it was replaced before; its family has been ended.
        """
        family = await self._refreshable_family(pool, client, refresh_token, now=now, device_key=device_key)
        user = await self._refreshing_user(pool, family)
        told = await self._told(
            pool,
            client,
            user,
            family.scopes,
            now=now,
            trigger_source="TokenGeneration_RefreshTokens",
            client_metadata=client_metadata,
        )
        new_token = await self._rotate(client, refresh_token, now=now)
        if pool.tracks_sessions:
            await self._sign_ins.mark_used(family.origin_jti, now=now)
        # A family of the hosted pages that never had an ID token (no openid scope) gets none by refreshing either.
        include_id_token = not family.hosted or "openid" in family.scopes
        pair = await self._keys.signing_pair(pool.id)
        return await self._workers.brief(
            lambda: self._sign(
                pool,
                client,
                user,
                family,
                told,
                pair,
                now=now,
                nonce=None,
                include_id_token=include_id_token,
                refresh_token=new_token,
            )
        )

    async def _refreshable_family(
        self, pool: UserPool, client: AppClient, refresh_token: str, *, now: datetime, device_key: str | None
    ) -> TokenFamily:
        family = await self.family_of(refresh_token)
        if family is None:
            raise NotAuthorizedException("Invalid Refresh Token", detail="there is no such token, or not any more")
        if family.client_id != client.client_id or family.user_pool_id != pool.id:
            raise NotAuthorizedException("Invalid Refresh Token", detail="it was issued to another app client")
        if family.revoked_at is not None:
            ended = f"the session was ended at {family.revoked_at:%Y-%m-%d %H:%M:%S} UTC"
            raise NotAuthorizedException("Refresh Token has been revoked", detail=ended)
        if now >= family.expires_at:
            until = f"it was good until {family.expires_at:%Y-%m-%d %H:%M:%S} UTC"
            raise NotAuthorizedException("Refresh Token has expired", detail=until)
        if family.device_key != device_key:
            # What a client that names no device is told on AWS.
            raise NotAuthorizedException("Invalid Refresh Token", detail="the token is another device's")
        return family

    async def _refreshing_user(self, pool: UserPool, family: TokenFamily) -> User:
        stored = await self._store.load_user_by_sub(pool.id, family.sub)
        if stored is None:
            raise NotAuthorizedException("Refresh Token has been revoked", detail="the user is gone")
        if not stored.user.enabled:
            raise NotAuthorizedException("User is disabled.")
        if stored.user.has_signed_out_since(family.authenticated_at):
            raise NotAuthorizedException("Refresh Token has been revoked", detail="the user has signed out everywhere")
        check_no_reset_asked(stored.user)
        return stored.user

    async def _rotate(self, client: AppClient, refresh_token: str, *, now: datetime) -> str | None:
        rotation = client.refresh_token_rotation
        if rotation is None or rotation.feature != "ENABLED":
            if await self._sign_ins.load_family_of_current_token(_hash(refresh_token)) is None:
                raise NotAuthorizedException("Invalid Refresh Token", detail="replaced while rotation was on")
            return None
        new_token = self._new_refresh_token()
        result = await self._sign_ins.rotate_refresh_token(
            _hash(refresh_token),
            new_token_hash=_hash(new_token),
            client_id=client.client_id,
            now=now,
            grace=timedelta(seconds=rotation.retry_grace_period_seconds),
        )
        if result.outcome == "reused":
            # The sentence is UNVERIFIED; the code is the model's.
            raise RefreshTokenReuseException("Refresh Token has been reused", detail="the token's family was ended")
        if result.outcome == "not_current":
            raise NotAuthorizedException("Refresh Token has been revoked", detail="ended while it was being used")
        return new_token

    # Revoke

    async def revoke(self, pool: UserPool, client: AppClient, token: str, *, now: datetime) -> None:
        """End the session of a refresh token. What is no token of this client's does nothing (RFC 7009 section 2.2).

        Raises:
            UnsupportedOperationException: revocation is switched off for the client.
            UnsupportedTokenTypeException: an access or ID token of ours.
        """
        if not client.enable_token_revocation:
            # The sentence is UNVERIFIED; the code is the model's.
            raise UnsupportedOperationException("Token revocation is not enabled for the client.")
        family = await self.family_of(token)
        if family is not None and family.client_id == client.client_id:
            await self._sign_ins.revoke_family(family.origin_jti, now=now)
        elif await self._verification.is_ours(pool, client, token, now=now):
            raise UnsupportedTokenTypeException("Only refresh tokens can be revoked.")

    async def revoke_family(self, origin_jti: str, *, now: datetime) -> None:
        """End one session."""
        await self._sign_ins.revoke_family(origin_jti, now=now)


def _at_hash(access_token: str) -> str:
    """OIDC Core section 3.1.3.6: the left half of the hash, base64url."""
    digest = hashlib.sha256(access_token.encode()).digest()
    return encode_base64url(digest[: len(digest) // 2])


def _hash(refresh_token: str) -> str:
    return hashlib.sha256(refresh_token.encode()).hexdigest()
