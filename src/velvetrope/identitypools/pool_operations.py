"""Identity pools as their owner sees them: made, shown, changed, tagged, deleted.

Login providers that we do not support (public ones whose tokens cannot be verified, OpenID Connect and SAML providers
that IAM does not have) are refused by name when they are configured, so that nobody builds a pool that later turns its
users away. Empty lists of them are fine, since tools send those. A developer provider's name stands beside words and
names that policies trust (`amr`), so it may be none of those; once set it does not change.

Source: Cognito Identity API; limits from the Cognito Developer Guide, "Quotas in Amazon Cognito".
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.identitypools.errors import InvalidParameterException, LimitExceededException, pool_missing
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.logins import COGNITO_PROVIDER, PUBLIC_ISSUERS, USER_POOL_PROVIDER, open_id_login_key
from velvetrope.identitypools.paging import page_start
from velvetrope.identitypools.providers import OpenIdProviders, SamlProviders
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.identitypools import CognitoIdentityProvider, IdentityPool, IdentityPoolStore
from velvetrope.tags import TagsRefused, merge_tags

__all__ = ["PoolOperations"]

_MAX_POOLS: Final = 1000
_MAX_USER_POOL_CLIENTS: Final = 50
_RESERVED_NAMES: Final = frozenset(
    {
        "authenticated",
        "unauthenticated",
        COGNITO_PROVIDER,
        *PUBLIC_ISSUERS,
        "graph.facebook.com",
        "www.amazon.com",
        "api.twitter.com",
        "www.digits.com",
    }
)


class PoolOperations:
    """The control plane of identity pools."""

    def __init__(
        self,
        store: IdentityPoolStore,
        resolver: IdentityResolver,
        entropy: Entropy,
        *,
        open_id_providers: OpenIdProviders | None = None,
        saml_providers: SamlProviders | None = None,
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._entropy = entropy
        self._open_id_providers = open_id_providers
        self._saml_providers = saml_providers

    @operation
    async def create_identity_pool(
        self,
        call: Call,
        *,
        identity_pool_name: str,
        allow_unauthenticated_identities: bool,
        allow_classic_flow: bool = False,
        cognito_identity_providers: tuple[CognitoIdentityProvider, ...] = (),
        identity_pool_tags: dict[str, str] | None = None,
        supported_login_providers: dict[str, str] | None = None,
        developer_provider_name: str | None = None,
        open_id_connect_provider_arns: tuple[str, ...] = (),
        saml_provider_arns: tuple[str, ...] = (),
    ) -> Answer:
        """A new pool. It has no roles yet: see SetIdentityPoolRoles."""
        await _check_login_providers(
            call,
            self._open_id_providers,
            self._saml_providers,
            supported_login_providers=supported_login_providers or {},
            developer_provider_name=developer_provider_name,
            open_id_connect_provider_arns=open_id_connect_provider_arns,
            saml_provider_arns=saml_provider_arns,
        )
        _check_user_pool_clients(cognito_identity_providers)
        tags = _with_tags({}, identity_pool_tags or {})
        if len(await self._store.load_pools(call.account_id, call.region, after="", limit=_MAX_POOLS)) >= _MAX_POOLS:
            raise LimitExceededException(f"An account can have {_MAX_POOLS} identity pools.")
        pool = IdentityPool(
            id=f"{call.region}:{new_uuid(self._entropy)}",
            account_id=call.account_id,
            region=call.region,
            name=identity_pool_name,
            allow_unauthenticated_identities=allow_unauthenticated_identities,
            created_at=call.now,
            modified_at=call.now,
            allow_classic_flow=allow_classic_flow,
            cognito_identity_providers=cognito_identity_providers,
            tags=tags,
            developer_provider_name=developer_provider_name,
            open_id_connect_provider_arns=open_id_connect_provider_arns,
            saml_provider_arns=saml_provider_arns,
            supported_login_providers=supported_login_providers or {},
        )
        await self._store.save_pool(pool)
        return _render_pool(pool)

    @operation
    async def describe_identity_pool(self, call: Call, *, identity_pool_id: str) -> Answer:
        """The pool as it is."""
        return _render_pool(await self._resolver.find_pool(identity_pool_id, call))

    @operation
    async def update_identity_pool(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        identity_pool_name: str,
        allow_unauthenticated_identities: bool,
        allow_classic_flow: bool = False,
        cognito_identity_providers: tuple[CognitoIdentityProvider, ...] = (),
        identity_pool_tags: dict[str, str] | None = None,
        supported_login_providers: dict[str, str] | None = None,
        developer_provider_name: str | None = None,
        open_id_connect_provider_arns: tuple[str, ...] = (),
        saml_provider_arns: tuple[str, ...] = (),
    ) -> Answer:
        """The pool made anew from what is given: what is left out falls back to its default.

        Tags and the developer provider's name stay when they are left out. For tags that is UNVERIFIED; losing them for
        want of being named would be the worse surprise.
        """
        present = await self._resolver.find_pool(identity_pool_id, call)
        named = present.developer_provider_name
        if named is not None and developer_provider_name not in {None, named}:
            raise InvalidParameterException("The developer provider name of an identity pool cannot be changed.")
        await _check_login_providers(
            call,
            self._open_id_providers,
            self._saml_providers,
            supported_login_providers=supported_login_providers or {},
            developer_provider_name=named or developer_provider_name,
            open_id_connect_provider_arns=open_id_connect_provider_arns,
            saml_provider_arns=saml_provider_arns,
        )
        _check_user_pool_clients(cognito_identity_providers)
        tags = _with_tags({}, identity_pool_tags or {})
        return _render_pool(
            await self._change(
                identity_pool_id,
                call,
                name=identity_pool_name,
                allow_unauthenticated_identities=allow_unauthenticated_identities,
                allow_classic_flow=allow_classic_flow,
                cognito_identity_providers=cognito_identity_providers,
                developer_provider_name=named or developer_provider_name,
                open_id_connect_provider_arns=open_id_connect_provider_arns,
                saml_provider_arns=saml_provider_arns,
                supported_login_providers=supported_login_providers or {},
                **({} if identity_pool_tags is None else {"tags": tags}),
            )
        )

    @operation
    async def delete_identity_pool(self, call: Call, *, identity_pool_id: str) -> Answer:
        """The pool and all its identities are gone. Credentials that were issued live until they expire."""
        await self._resolver.find_pool(identity_pool_id, call)
        await self._store.delete_pool(identity_pool_id)
        return None

    @operation
    async def list_identity_pools(self, call: Call, *, max_results: int, next_token: str | None = None) -> Answer:
        """The pools of this account and region, in order of their ids."""
        after = page_start(next_token)
        found = await self._store.load_pools(call.account_id, call.region, after=after, limit=max_results + 1)
        page, following = page_of(found, max_results, key=lambda pool: pool.id)
        return {
            "identity_pools": [{"identity_pool_id": pool.id, "identity_pool_name": pool.name} for pool in page],
            "next_token": following,
        }

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: dict[str, str]) -> Answer:
        """The tags are set; others stay."""
        pool = await self._tagged_pool(resource_arn, call)
        await self._store.change_pool(
            pool.id, lambda now: msgspec.structs.replace(now, tags=_with_tags(now.tags, tags))
        )
        return {}

    @operation
    async def untag_resource(self, call: Call, *, resource_arn: str, tag_keys: tuple[str, ...]) -> Answer:
        """The tags are gone, if they were there."""
        pool = await self._tagged_pool(resource_arn, call)

        def untagged(present: IdentityPool) -> IdentityPool:
            kept = {key: value for key, value in present.tags.items() if key not in tag_keys}
            return msgspec.structs.replace(present, tags=kept)

        await self._store.change_pool(pool.id, untagged)
        return {}

    @operation
    async def list_tags_for_resource(self, call: Call, *, resource_arn: str) -> Answer:
        """The pool's tags."""
        return {"tags": (await self._tagged_pool(resource_arn, call)).tags}

    async def _change(self, pool_id: str, call: Call, **changes: object) -> IdentityPool:
        changed = await self._store.change_pool(
            pool_id, lambda present: msgspec.structs.replace(present, modified_at=call.now, **changes)
        )
        if changed is None:
            raise pool_missing(pool_id)
        return changed

    async def _tagged_pool(self, resource_arn: str, call: Call) -> IdentityPool:
        try:
            arn = parse_arn(resource_arn)
        except InvalidArn as error:
            raise InvalidParameterException(error.message) from error
        wanted = ("cognito-identity", call.region, call.account_id, "identitypool")
        if (arn.service, arn.region, arn.account_id, arn.resource.partition("/")[0]) != wanted:
            raise InvalidParameterException(f"{resource_arn} is not an identity pool of this account and region")
        return await self._resolver.find_pool(arn.resource.partition("/")[2], call)


async def _check_login_providers(
    call: Call,
    known: OpenIdProviders | None,
    known_saml: SamlProviders | None,
    *,
    supported_login_providers: Mapping[str, str],
    developer_provider_name: str | None,
    open_id_connect_provider_arns: Collection[str],
    saml_provider_arns: Collection[str],
) -> None:
    """Refuse a login provider whose users could not sign in, and a developer provider that poses as another.

    Raises:
        InvalidParameterException: it says which provider and why.
    """
    for member, asked, verifier in (
        ("SupportedLoginProviders", supported_login_providers, known),
        ("OpenIdConnectProviderARNs", open_id_connect_provider_arns, known),
        ("SamlProviderARNs", saml_provider_arns, known_saml),
    ):
        if asked and verifier is None:
            raise InvalidParameterException(
                f"{member} is not supported by this velvetrope; user pools are, as CognitoIdentityProviders."
            )
    for provider in supported_login_providers:
        if provider not in PUBLIC_ISSUERS:
            raise InvalidParameterException(
                f"{provider} is not supported by velvetrope: of SupportedLoginProviders it takes those whose ID tokens "
                f"can be verified, {' and '.join(PUBLIC_ISSUERS)}."
            )
    for provider_arn in open_id_connect_provider_arns:
        is_ours = provider_arn.startswith(f"arn:aws:iam::{call.account_id}:oidc-provider/")
        if not is_ours or known is None or not await known.has_provider(provider_arn):
            # UNVERIFIED: the sentence.
            raise InvalidParameterException(f"{provider_arn} is not an OpenID Connect provider of this account.")
    for provider_arn in saml_provider_arns:
        is_ours = provider_arn.startswith(f"arn:aws:iam::{call.account_id}:saml-provider/")
        if not is_ours or known_saml is None or not await known_saml.has_provider(provider_arn):
            # UNVERIFIED: the sentence.
            raise InvalidParameterException(f"{provider_arn} is not a SAML provider of this account.")
    if developer_provider_name is not None:
        taken = {open_id_login_key(arn) for arn in open_id_connect_provider_arns}
        if developer_provider_name in _RESERVED_NAMES | taken or USER_POOL_PROVIDER.match(developer_provider_name):
            raise InvalidParameterException(
                f"{developer_provider_name} names something else and cannot be a developer provider."
            )


def _check_user_pool_clients(clients: Collection[CognitoIdentityProvider]) -> None:
    if len(clients) > _MAX_USER_POOL_CLIENTS:
        raise LimitExceededException(f"An identity pool can have {_MAX_USER_POOL_CLIENTS} user pool providers.")
    for client in clients:
        if not USER_POOL_PROVIDER.fullmatch(client.provider_name):
            raise InvalidParameterException(
                f"Invalid Cognito Identity Provider: {client.provider_name}. "
                "It is cognito-idp.REGION.amazonaws.com/USER_POOL_ID."
            )
    if len({(client.provider_name, client.client_id) for client in clients}) != len(clients):
        raise InvalidParameterException("A user pool client is listed twice.")


def _with_tags(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    try:
        return merge_tags(present, added)
    except TagsRefused as finding:
        raise InvalidParameterException(finding.message) from None


def _render_pool(pool: IdentityPool) -> dict[str, object]:
    return {
        "identity_pool_id": pool.id,
        "identity_pool_name": pool.name,
        "allow_unauthenticated_identities": pool.allow_unauthenticated_identities,
        "allow_classic_flow": pool.allow_classic_flow,
        "cognito_identity_providers": pool.cognito_identity_providers or None,
        "developer_provider_name": pool.developer_provider_name,
        "open_id_connect_provider_arns": pool.open_id_connect_provider_arns or None,
        "saml_provider_arns": pool.saml_provider_arns or None,
        "supported_login_providers": pool.supported_login_providers or None,
        "identity_pool_tags": pool.tags,
    }
