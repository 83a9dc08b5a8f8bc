"""Custom domain names as the second version of the API shows them. They are the first version's: one name, both.

A name that either version made is found, changed and deleted by both. This version makes `REGIONAL` names, the only
ones that HTTP APIs can have. Mutual TLS, routing rules, wildcard names and names that this server or AWS answers to are
refused by name. Certificates are kept and shown; TLS is this server's own.

Sources: API Gateway API reference (version 2), CreateDomainName, UpdateDomainName; Developer Guide, "Custom domain
names for HTTP APIs in API Gateway". Texts are the first version's.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.apigatewayv2.tags import with_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.routes import UnusableDomainName, WildcardDomainName, parse_domain_name
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigateway_records import BasePathMapping, DomainName

__all__ = ["DomainLookup", "DomainNameConfiguration", "DomainNameOperations", "load_domain"]


class DomainLookup(Protocol):
    """Who finds the API of a call to a domain name."""

    async def reload(self) -> None:
        """Know what has been committed."""
        ...


class DomainNameConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a name has beside itself. What AWS fills in is not taken."""

    certificate_arn: str | None = None
    certificate_name: str | None = None
    endpoint_type: str | None = None
    ip_address_type: Literal["ipv4"] = "ipv4"
    security_policy: str | None = None


class DomainNameOperations:
    """CreateDomainName, GetDomainName(s), UpdateDomainName, DeleteDomainName."""

    def __init__(self, domains: DomainNameStore, lookup: DomainLookup, *, reserved_hosts: Collection[str] = ()) -> None:
        self._domains = domains
        self._lookup = lookup
        self._reserved = reserved_hosts

    @operation
    async def create_domain_name(
        self,
        call: Call,
        *,
        domain_name: str,
        domain_name_configurations: tuple[DomainNameConfiguration, ...] = (),
        routing_mode: Literal["API_MAPPING_ONLY"] = "API_MAPPING_ONLY",  # noqa: ARG002  the only one there is here
        tags: Mapping[str, str] | None = None,
    ) -> Answer:
        try:
            name = parse_domain_name(domain_name, own=self._reserved)
        except WildcardDomainName:
            raise NotSupported("A wildcard domain name") from None
        except UnusableDomainName as finding:
            raise BadRequestException(finding.message) from None
        configuration = _the_only(domain_name_configurations) or DomainNameConfiguration()
        domain = DomainName(
            domain_name=name,
            account_id=call.account_id,
            created_at=call.now,
            endpoint_type=_endpoint_type(configuration),
            certificate_name=configuration.certificate_name,
            certificate_arn=configuration.certificate_arn,
            security_policy=_security_policy(configuration) or "TLS_1_2",
            tags=with_tags({}, tags),
        )
        if not await self._domains.save_new_domain_name(domain):
            raise ConflictException("The domain name you provided already exists.")
        await self._lookup.reload()
        return _render(call, domain)

    @operation
    async def get_domain_name(self, call: Call, *, domain_name: str) -> Answer:
        return _render(call, await load_domain(self._domains, call, domain_name))

    @operation
    async def get_domain_names(
        self, call: Call, *, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        items, following = page_of(await self._domains.load_domain_names(call.account_id), next_token, max_results)
        return {"items": [_render(call, domain) for domain in items], "next_token": following}

    @operation
    async def update_domain_name(
        self,
        call: Call,
        *,
        domain_name: str,
        domain_name_configurations: tuple[DomainNameConfiguration, ...] = (),
        routing_mode: Literal["API_MAPPING_ONLY"] = "API_MAPPING_ONLY",  # noqa: ARG002  the only one there is here
    ) -> Answer:
        configuration = _the_only(domain_name_configurations)

        def change(domain: DomainName) -> DomainName:
            if configuration is None:
                return domain
            if configuration.endpoint_type not in {None, domain.endpoint_type}:
                raise NotSupported(f"Another endpoint type than {domain.endpoint_type} for {domain.domain_name}")
            given = {
                "certificate_arn": configuration.certificate_arn,
                "certificate_name": configuration.certificate_name,
                "security_policy": _security_policy(configuration),
            }
            return msgspec.structs.replace(domain, **{name: said for name, said in given.items() if said is not None})

        changed = await self._domains.change_domain_name(call.account_id, domain_name.lower(), change, _check_mappings)
        if changed is None:
            raise _no_such_domain()
        return _render(call, changed)

    @operation
    async def delete_domain_name(self, call: Call, *, domain_name: str) -> None:
        if not await self._domains.delete_domain_name(call.account_id, domain_name.lower()):
            raise _no_such_domain()
        await self._lookup.reload()


async def load_domain(domains: DomainNameStore, call: Call, name: str) -> DomainName:
    """The caller's domain name, or AWS's 404."""
    domain = await domains.load_domain_name(call.account_id, name.lower())
    if domain is None:
        raise _no_such_domain()
    return domain


def _check_mappings(domain: DomainName, mappings: Collection[BasePathMapping]) -> None:
    for mapping in mappings:
        if not mapping.fits(domain):
            raise BadRequestException(mapping.what_it_needs)


def _no_such_domain() -> NotFoundException:
    return NotFoundException("Invalid domain name identifier specified")


def _the_only(configurations: Sequence[DomainNameConfiguration]) -> DomainNameConfiguration | None:
    if len(configurations) > 1:
        raise NotSupported("More than one configuration of a domain name")
    return configurations[0] if configurations else None


def _security_policy(configuration: DomainNameConfiguration) -> str | None:
    policy = configuration.security_policy
    if policy is not None and policy not in DomainName.SECURITY_POLICIES:
        raise NotSupported(f"The security policy {policy}")
    return policy


def _endpoint_type(configuration: DomainNameConfiguration) -> str:
    if configuration.endpoint_type not in {None, "REGIONAL"}:
        raise NotSupported(f"The endpoint type {configuration.endpoint_type}")
    return "REGIONAL"


def _render(call: Call, domain: DomainName) -> dict[str, object]:
    is_regional = domain.endpoint_type == "REGIONAL"
    return {
        "domain_name": domain.domain_name,
        "domain_name_arn": f"arn:aws:apigateway:{call.region}::/domainnames/{domain.domain_name}",
        "api_mapping_selection_expression": "$request.basepath",
        "domain_name_configurations": [
            {
                "api_gateway_domain_name": domain.regional_target(call.region) if is_regional else domain.edge_target,
                "certificate_arn": domain.certificate_arn,
                "certificate_name": domain.certificate_name,
                "domain_name_status": "AVAILABLE",
                "endpoint_type": domain.endpoint_type,
                "ip_address_type": "ipv4",
                "security_policy": domain.security_policy,
            }
        ],
        "routing_mode": "API_MAPPING_ONLY",
        "tags": domain.tags or None,
    }
