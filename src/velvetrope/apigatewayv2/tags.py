"""Tags of HTTP APIs, their stages, and domain names, by ARN.

ARNs have no account: `arn:aws:apigateway:{region}::/apis/{id}`, `…/apis/{id}/stages/{name}` and `…/domainnames/{name}`.

Source: API Gateway API reference (version 2), TagResource.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.errors import BadRequestException, NotFoundException
from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.operations import Answer, Call, operation
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

    def __init__(self, authored: AuthoredApis, domains: DomainNameStore) -> None:
        self._authored = authored
        self._domains = domains

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: Mapping[str, str]) -> Answer:
        def add(present: Tags) -> Tags:
            return with_tags(present, tags)

        await self._change(call, resource_arn, add)
        return {}

    @operation
    async def untag_resource(self, call: Call, *, resource_arn: str, tag_keys: Sequence[str]) -> None:
        await self._change(call, resource_arn, lambda present: {k: v for k, v in present.items() if k not in tag_keys})

    @operation
    async def get_tags(self, call: Call, *, resource_arn: str) -> Answer:
        named = _named_by(resource_arn)
        if isinstance(named, _DomainNamed):
            domain = await self._domains.load_domain_name(call.account_id, named.domain_name)
            if domain is None:
                raise _no_such_domain()
            return {"tags": domain.tags}
        api_id, stage_name = named
        api = await self._authored.load(call, api_id)
        if stage_name is None:
            return {"tags": api.tags}
        stage = await self._authored.store.load_stage(api_id, stage_name)
        if stage is None:
            raise NotFoundException("Invalid stage identifier specified")
        return {"tags": stage.tags}

    async def _change(self, call: Call, resource_arn: str, change: Callable[[Tags], Tags]) -> None:
        named = _named_by(resource_arn)
        replace = msgspec.structs.replace
        if isinstance(named, _DomainNamed):
            domain = await self._domains.change_domain_name(
                call.account_id, named.domain_name, lambda one: replace(one, tags=change(one.tags))
            )
            if domain is None:
                raise _no_such_domain()
            return
        api_id, stage_name = named
        if stage_name is None:
            await self._authored.change(call, api_id, lambda api: replace(api, tags=change(api.tags)))
            return
        await self._authored.load(call, api_id)
        changed = await self._authored.store.change_stage(
            call.account_id,
            api_id,
            stage_name,
            lambda stage, _: replace(stage, tags=change(stage.tags)),
            self._authored.freeze(call),
        )
        if changed is None:
            raise NotFoundException("Invalid stage identifier specified")


class _DomainNamed(msgspec.Struct, frozen=True):
    domain_name: str


def _no_such_domain() -> NotFoundException:
    return NotFoundException("Invalid domain name identifier specified")


def _named_by(resource_arn: str) -> tuple[str, str | None] | _DomainNamed:
    """A domain name; or the API's id, and the stage's name if the ARN is a stage's."""
    try:
        arn = parse_arn(resource_arn)
    except InvalidArn:
        raise BadRequestException(f"Invalid ARN specified: {resource_arn}") from None
    match arn.service, arn.resource.split("/"):
        case "apigateway", ["", "domainnames", domain_name]:
            return _DomainNamed(domain_name.lower())
        case "apigateway", ["", "apis", api_id]:
            return api_id, None
        case "apigateway", ["", "apis", api_id, "stages", stage_name]:
            return api_id, stage_name
        case _:
            raise BadRequestException(f"Invalid ARN specified: {resource_arn}")
