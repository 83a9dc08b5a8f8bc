"""OpenID Connect providers: whose ID tokens the account's roles and identity pools may trust.

    owner = OpenIdProviderOperations(IamProviderStore(database))         # for the dispatcher, beside `iam_operations`

A provider is its issuer's URL and the client ids whose tokens count. Its keys are fetched when a token is verified
(`sts` does that), so nothing is asked of the issuer here.

The URL is `https`. With `allow_loopback_http` it may also be `http` on a loopback address, for an issuer that somebody
runs on the machine they work on. Unlike on AWS a URL may have a port, since people run issuers on theirs.

Thumbprints are kept and shown, and trust nothing: certificates are judged by the certificate authorities that the
server knows, as AWS does wherever it can. Where AWS fetches a thumbprint that was not given, we leave the list empty.

Sources: IAM API Reference, CreateOpenIDConnectProvider and its siblings; IAM User Guide, "Create an OpenID Connect
(OIDC) identity provider in IAM", "IAM and AWS STS quotas". Texts as seen on AWS where known, else UNVERIFIED.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from velvetrope.iam.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity
from velvetrope.iam.paging import page_of
from velvetrope.iam.provider_arns import is_provider_of_account
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam_providers import IamProviderStore, OpenIdProvider

__all__ = ["OpenIdProviderOperations"]

_MAX_CLIENT_IDS: Final = 100
_MAX_THUMBPRINTS: Final = 5
_URL: Final = re.compile(r"[A-Za-z0-9\-.:/_~%]+")
"""What an ARN and a policy's `Federated` can hold."""
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_THUMBPRINT: Final = re.compile(r"[0-9A-Fa-f]{40}")


class OpenIdProviderOperations:
    """OpenID Connect providers: made, shown, changed, tagged, deleted."""

    def __init__(self, store: IamProviderStore, *, allow_loopback_http: bool = False) -> None:
        self._store = store
        self._allow_loopback_http = allow_loopback_http

    @operation
    async def create_open_id_connect_provider(
        self,
        call: Call,
        *,
        url: str,
        client_id_list: tuple[str, ...] = (),
        thumbprint_list: tuple[str, ...] = (),
        tags: tuple[Tag, ...] = (),
    ) -> Answer:
        """The account trusts this issuer from now on, as far as trust policies and identity pools name it."""
        _check_url(url, allow_loopback_http=self._allow_loopback_http)
        _check_thumbprints(thumbprint_list)
        provider = OpenIdProvider(
            arn=call.arn("iam", f"oidc-provider/{url.partition('://')[2]}", region=""),
            account_id=call.account_id,
            url=url,
            created_at=call.now,
            client_ids=_checked_client_ids(client_id_list),
            thumbprints=thumbprint_list,
            tags=new_tags(tags),
        )
        if not await self._store.save_new_open_id_provider(provider, within_quota("OpenIdConnectProvidersPerAccount")):
            raise EntityAlreadyExists(f"Provider with url {url} already exists.")
        return {"open_id_connect_provider_arn": provider.arn, "tags": render_tags(provider.tags) or None}

    @operation
    async def get_open_id_connect_provider(self, call: Call, *, open_id_connect_provider_arn: str) -> Answer:
        """The provider as it is; its URL without the scheme, as AWS shows it."""
        provider = await self._load(call, open_id_connect_provider_arn)
        return {
            "url": provider.url.partition("://")[2],
            "client_id_list": list(provider.client_ids),
            "thumbprint_list": list(provider.thumbprints),
            "create_date": provider.created_at,
            "tags": render_tags(provider.tags),
        }

    @operation
    async def list_open_id_connect_providers(self, call: Call) -> Answer:
        """The ARNs of all providers of the account."""
        found = await self._store.list_open_id_providers(call.account_id)
        return {"open_id_connect_provider_list": [{"arn": provider.arn} for provider in found]}

    @operation
    async def delete_open_id_connect_provider(self, call: Call, *, open_id_connect_provider_arn: str) -> Answer:
        """The provider is gone; that it never was is no error. Policies and pools that name it trust nobody by it."""
        _check_arn(call, open_id_connect_provider_arn)
        await self._store.delete_open_id_provider(open_id_connect_provider_arn)
        return None

    @operation
    async def add_client_id_to_open_id_connect_provider(
        self, call: Call, *, open_id_connect_provider_arn: str, client_id: str
    ) -> Answer:
        """Tokens issued to this client count from now on; that they did before is no error."""

        def add(present: OpenIdProvider) -> OpenIdProvider:
            client_ids = _checked_client_ids((*present.client_ids, client_id))
            return msgspec.structs.replace(present, client_ids=client_ids)

        await self._change(call, open_id_connect_provider_arn, add)
        return None

    @operation
    async def remove_client_id_from_open_id_connect_provider(
        self, call: Call, *, open_id_connect_provider_arn: str, client_id: str
    ) -> Answer:
        """Tokens issued to this client count no longer; that they never did is no error."""

        def remove(present: OpenIdProvider) -> OpenIdProvider:
            kept = tuple(known for known in present.client_ids if known != client_id)
            return msgspec.structs.replace(present, client_ids=kept)

        await self._change(call, open_id_connect_provider_arn, remove)
        return None

    @operation
    async def update_open_id_connect_provider_thumbprint(
        self, call: Call, *, open_id_connect_provider_arn: str, thumbprint_list: tuple[str, ...]
    ) -> Answer:
        """These thumbprints take the place of those that were kept."""
        _check_thumbprints(thumbprint_list)
        await self._change(
            call,
            open_id_connect_provider_arn,
            lambda present: msgspec.structs.replace(present, thumbprints=thumbprint_list),
        )
        return None

    @operation
    async def tag_open_id_connect_provider(
        self, call: Call, *, open_id_connect_provider_arn: str, tags: tuple[Tag, ...]
    ) -> Answer:
        """The tags are set; others stay."""
        await self._change(
            call,
            open_id_connect_provider_arn,
            lambda present: msgspec.structs.replace(present, tags=add_tags(present.tags, tags)),
        )
        return None

    @operation
    async def untag_open_id_connect_provider(
        self, call: Call, *, open_id_connect_provider_arn: str, tag_keys: tuple[str, ...]
    ) -> Answer:
        """The tags are gone, if they were there."""
        await self._change(
            call,
            open_id_connect_provider_arn,
            lambda present: msgspec.structs.replace(present, tags=remove_tags(present.tags, tag_keys)),
        )
        return None

    @operation
    async def list_open_id_connect_provider_tags(
        self,
        call: Call,
        *,
        open_id_connect_provider_arn: str,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """The provider's tags, in pages."""
        provider = await self._load(call, open_id_connect_provider_arn)
        page = page_of(sorted(provider.tags.items()), lambda item: item[0], marker=marker, max_items=max_items)
        return page.answer("tags", render_tags(dict(page.items)))

    async def _load(self, call: Call, arn: str) -> OpenIdProvider:
        _check_arn(call, arn)
        found = await self._store.load_open_id_provider(arn)
        if found is None:
            raise _not_found(arn)
        return found

    async def _change(self, call: Call, arn: str, change: Callable[[OpenIdProvider], OpenIdProvider]) -> None:
        _check_arn(call, arn)
        if await self._store.change_open_id_provider(arn, change) is None:
            raise _not_found(arn)


def _not_found(arn: str) -> NoSuchEntity:
    return NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")


def _check_arn(call: Call, arn: str) -> None:
    if not is_provider_of_account(call, arn, "oidc-provider"):
        raise _not_found(arn)


def _check_url(url: str, *, allow_loopback_http: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput("Invalid Open ID Connect Provider URL") from None
    scheme, _, rest = url.partition("://")
    allowed = scheme == "https" or (scheme == "http" and allow_loopback_http and _is_loopback(host))
    if not allowed or not _URL.fullmatch(rest) or not _HOST.fullmatch(host):
        raise InvalidInput(
            "Invalid Open ID Connect Provider URL", detail="an issuer is https://HOST[:PORT][/PATH] and nothing else"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_client_ids(client_ids: Sequence[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(client_ids))
    if len(unique) > _MAX_CLIENT_IDS:
        raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_MAX_CLIENT_IDS}")
    return unique


def _check_thumbprints(thumbprints: Sequence[str]) -> None:
    if len(thumbprints) > _MAX_THUMBPRINTS:
        raise InvalidInput(f"Thumbprint list must contain fewer than {_MAX_THUMBPRINTS} entries.")
    if not all(_THUMBPRINT.fullmatch(thumbprint) for thumbprint in thumbprints):
        raise InvalidInput("A thumbprint is 40 hexadecimal digits.")
