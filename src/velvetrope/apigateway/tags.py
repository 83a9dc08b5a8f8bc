"""Tags of REST APIs, stages, API keys, usage plans and domain names, by ARN.

ARNs have no account: `arn:aws:apigateway:{region}::/restapis/{id}`, `…/restapis/{id}/stages/{name}`, `…/apikeys/{id}`,
`…/usageplans/{id}`, `…/domainnames/{name}`.

Source: API Gateway Developer Guide, "Amazon Resource Name (ARN) format"; API reference, TagResource.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.errors import BadRequestException, NotFoundException
from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.tags import TagsRefused, merge_tags

__all__ = ["TagOperations", "with_tags"]

Tags = dict[str, str]


def with_tags(present: Mapping[str, str], added: Mapping[str, str] | None) -> Tags:
    """`present` and `added` together. Raises `BadRequestException` for AWS's own keys, and for too many."""
    try:
        return merge_tags(present, added or {})
    except TagsRefused as finding:
        raise BadRequestException(finding.message) from None


class TagOperations:
    """TagResource, UntagResource, GetTags."""

    def __init__(self, store: ApiGatewayStore, domains: DomainNameStore) -> None:
        self._store = store
        self._domains = domains

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: Mapping[str, str]) -> None:
        def add(present: Tags) -> Tags:
            return with_tags(present, tags)

        await self._change(call, resource_arn, add)

    @operation
    async def untag_resource(self, call: Call, *, resource_arn: str, tag_keys: Sequence[str]) -> None:
        await self._change(call, resource_arn, lambda present: {k: v for k, v in present.items() if k not in tag_keys})

    @operation
    async def get_tags(
        self,
        call: Call,
        *,
        resource_arn: str,
        position: str | None = None,  # noqa: ARG002  there is one page
        limit: int | None = None,  # noqa: ARG002
    ) -> Answer:
        return {"tags": await self._load(call, resource_arn)}

    async def _load(self, call: Call, resource_arn: str) -> Tags:
        account = call.account_id
        match _path_of(resource_arn):
            case "restapis", api_id:
                api = await self._store.load_rest_api(account, api_id)
                found = None if api is None else api.tags
            case "restapis", api_id, "stages", stage_name:
                if await self._store.load_rest_api(account, api_id) is None:
                    raise no_such_api(call, api_id)
                stage = await self._store.load_stage(api_id, stage_name)
                found = None if stage is None else stage.tags
            case "apikeys", key_id:
                key = await self._store.load_api_key(account, key_id)
                found = None if key is None else key.tags
            case "usageplans", plan_id:
                plan = await self._store.load_usage_plan(account, plan_id)
                found = None if plan is None else plan.tags
            case "domainnames", name:
                domain = await self._domains.load_domain_name(account, name)
                found = None if domain is None else domain.tags
            case _:
                raise BadRequestException(f"Invalid ARN specified: {resource_arn}")
        if found is None:
            raise NotFoundException(f"Invalid resource specified: {resource_arn}")
        return found

    async def _change(self, call: Call, resource_arn: str, change: Callable[[Tags], Tags]) -> None:
        replace = msgspec.structs.replace
        account = call.account_id
        await self._load(call, resource_arn)
        match _path_of(resource_arn):
            case "restapis", api_id:
                await self._store.change_rest_api(account, api_id, lambda one: replace(one, tags=change(one.tags)))
            case "restapis", api_id, "stages", stage_name:
                await self._store.change_stage(api_id, stage_name, lambda one, _: replace(one, tags=change(one.tags)))
            case "domainnames", name:
                await self._domains.change_domain_name(account, name, lambda one: replace(one, tags=change(one.tags)))
            case "apikeys", key_id:
                await self._store.change_api_key(account, key_id, lambda one: replace(one, tags=change(one.tags)))
            case "usageplans", plan_id:
                await self._store.change_usage_plan(
                    account, plan_id, lambda one, _: replace(one, tags=change(one.tags))
                )


def _path_of(resource_arn: str) -> tuple[str, ...]:
    try:
        arn = parse_arn(resource_arn)
    except InvalidArn:
        raise BadRequestException(f"Invalid ARN specified: {resource_arn}") from None
    if arn.service != "apigateway" or not arn.resource.startswith("/"):
        raise BadRequestException(f"Invalid ARN specified: {resource_arn}")
    return tuple(arn.resource[1:].split("/"))
