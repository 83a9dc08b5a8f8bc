"""Which stage of which API is below which path of a custom domain name: HTTP APIs and REST APIs, under one name.

A key is empty (the name itself) or a path of one segment or more; of the keys that a path begins with, the longest one
takes it. The first version's base path mappings of REST APIs are shown here too, with an id. Only a `REGIONAL` name
with TLS 1.2 can lead to an HTTP API, or have a key of several segments, as on AWS.

A call finds its mapping as soon as the operation that made it has answered (`DomainLookup`).

Sources: API Gateway API reference (version 2), CreateApiMapping; Developer Guide, "Map API stages to a custom domain
name for HTTP APIs". Texts are our own where the first version has none; the text of a taken key is UNVERIFIED.
"""

from collections.abc import Collection

import msgspec

from velvetrope.apigatewayv2.domain_names import DomainLookup, load_domain
from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.routes import is_mapping_key
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigateway_records import BasePathMapping, DomainName
from velvetrope.store.tables.apigatewayv2 import HttpApiStore

__all__ = ["ApiMappingOperations", "check_unmapped"]

_ID_LENGTH = 6


class ApiMappingOperations:
    """CreateApiMapping, GetApiMapping(s), UpdateApiMapping, DeleteApiMapping."""

    def __init__(
        self,
        http_apis: HttpApiStore,
        rest_apis: ApiGatewayStore,
        domains: DomainNameStore,
        lookup: DomainLookup,
        entropy: Entropy,
    ) -> None:
        self._http_apis = http_apis
        self._rest_apis = rest_apis
        self._domains = domains
        self._lookup = lookup
        self._entropy = entropy

    @operation
    async def create_api_mapping(
        self, call: Call, *, domain_name: str, api_id: str, stage: str, api_mapping_key: str | None = None
    ) -> Answer:
        domain = await load_domain(self._domains, call, domain_name)
        mapping = BasePathMapping(
            domain_name=domain.domain_name,
            base_path=_checked_key(api_mapping_key),
            api_id=api_id,
            stage=stage,
            is_http=await self._is_http(call, api_id, stage),
            id=new_alphanumeric(self._entropy, _ID_LENGTH),
        )
        _check_domain(domain, mapping)
        if not await self._domains.save_new_base_path_mapping(mapping):
            raise _taken(mapping)
        await self._lookup.reload()
        return _render(mapping)

    @operation
    async def get_api_mapping(self, call: Call, *, domain_name: str, api_mapping_id: str) -> Answer:
        domain = await load_domain(self._domains, call, domain_name)
        return _render(await self._load(domain, api_mapping_id))

    @operation
    async def get_api_mappings(
        self, call: Call, *, domain_name: str, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        domain = await load_domain(self._domains, call, domain_name)
        mappings = await self._domains.load_base_path_mappings(domain.domain_name)
        items, following = page_of(mappings, next_token, max_results)
        return {"items": [_render(mapping) for mapping in items], "next_token": following}

    @operation
    async def update_api_mapping(
        self,
        call: Call,
        *,
        domain_name: str,
        api_mapping_id: str,
        api_id: str,
        api_mapping_key: str | None = None,
        stage: str | None = None,
    ) -> Answer:
        domain = await load_domain(self._domains, call, domain_name)
        present = await self._load(domain, api_mapping_id)
        wanted = msgspec.structs.replace(
            present,
            id=present.mapping_id,
            api_id=api_id,
            stage=present.stage if stage is None else stage,
            base_path=present.base_path if api_mapping_key is None else _checked_key(api_mapping_key),
        )
        wanted = msgspec.structs.replace(wanted, is_http=await self._is_http(call, api_id, wanted.stage))
        _check_domain(domain, wanted)

        def change(_: BasePathMapping, others: Collection[BasePathMapping]) -> BasePathMapping:
            if any(other.base_path == wanted.base_path for other in others):
                raise _taken(wanted)
            return wanted

        changed = await self._domains.change_base_path_mapping(
            domain.domain_name, lambda mapping: mapping.mapping_id == api_mapping_id, change
        )
        if changed is None:
            raise _no_such_mapping()
        await self._lookup.reload()
        return _render(changed)

    @operation
    async def delete_api_mapping(self, call: Call, *, domain_name: str, api_mapping_id: str) -> None:
        domain = await load_domain(self._domains, call, domain_name)
        is_gone = await self._domains.delete_base_path_mapping(
            domain.domain_name, lambda mapping: mapping.mapping_id == api_mapping_id
        )
        if not is_gone:
            raise _no_such_mapping()
        await self._lookup.reload()

    async def _load(self, domain: DomainName, api_mapping_id: str) -> BasePathMapping:
        for mapping in await self._domains.load_base_path_mappings(domain.domain_name):
            if mapping.mapping_id == api_mapping_id:
                return mapping
        raise _no_such_mapping()

    async def _is_http(self, call: Call, api_id: str, stage: str | None) -> bool:
        # Which kind of API the caller's account has under this id; the stage has to be there.
        is_http = await self._http_apis.load_api(call.account_id, api_id) is not None
        if not is_http and await self._rest_apis.load_rest_api(call.account_id, api_id) is None:
            raise NotFoundException(f"Invalid API identifier specified {call.account_id}:{api_id}")
        if stage is None:
            # A base path mapping of the first version, which takes the stage from the path.
            if is_http:
                raise BadRequestException("Stage is required for an HTTP API")
            return False
        found = await (self._http_apis if is_http else self._rest_apis).load_stage(api_id, stage)
        if found is None:
            raise BadRequestException("Invalid stage identifier specified")
        return is_http


def check_unmapped(mappings: Collection[BasePathMapping]) -> None:
    """Nothing that a mapping leads to is deleted. (AWS refuses too; its text is UNVERIFIED.)"""
    for mapping in mappings:
        raise BadRequestException(
            f"Please remove the API mapping {mapping.base_path or '(none)'} of {mapping.domain_name} first"
        )


def _checked_key(key: str | None) -> str:
    if not key or key == "(none)":
        return ""
    if not is_mapping_key(key):
        raise BadRequestException(f"Invalid API mapping key specified: {key}")
    return key


def _check_domain(domain: DomainName, mapping: BasePathMapping) -> None:
    needs = "An HTTP API" if mapping.is_http else "An API mapping key with a slash"
    if not mapping.fits(domain):
        raise BadRequestException(f"{needs} needs a REGIONAL domain name with the security policy TLS_1_2")


def _taken(mapping: BasePathMapping) -> ConflictException:
    return ConflictException(f"ApiMapping key already exists for this domain name: {mapping.base_path or '(none)'}")


def _no_such_mapping() -> NotFoundException:
    return NotFoundException("Invalid API mapping identifier specified")


def _render(mapping: BasePathMapping) -> dict[str, object]:
    return {
        "api_id": mapping.api_id,
        "api_mapping_id": mapping.mapping_id,
        "api_mapping_key": mapping.base_path,
        "stage": mapping.stage or "",
    }
