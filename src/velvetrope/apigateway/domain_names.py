"""Custom domain names, and the base paths that lead from them to stages.

A name belongs to the account that made it first. Names of this server itself and of AWS are refused: whoever may make a
domain name must not be able to take calls that are for others. Certificates are kept and shown; TLS is this server's
own. Mutual TLS, private names, routing rules and edge-optimised hosting are refused by name, or have no member here.

The names are the second version's too (`apigatewayv2.domain_names`), and its mappings of REST APIs are shown here.

A call under a name finds its mapping as soon as the operation that made it has answered (`DomainLookup`).

Sources: API Gateway API reference, CreateDomainName, CreateBasePathMapping, UpdateDomainName ("patch operations");
Developer Guide, "Custom domain name for public REST APIs". Texts from captures of AWS; others are UNVERIFIED.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import msgspec

from velvetrope.apigateway.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, pointer_parts, required_value
from velvetrope.apigateway.rest_apis import EndpointConfiguration
from velvetrope.apigateway.tags import with_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.routes import UnusableDomainName, WildcardDomainName, is_mapping_key, parse_domain_name
from velvetrope.store.tables.apigateway import ApiGatewayStore, BasePathMapping, DomainName
from velvetrope.store.tables.apigateway_domains import DomainNameStore

__all__ = ["BasePathMappingOperations", "DomainLookup", "DomainNameOperations"]

_NO_BASE_PATH = "(none)"
_PATCHES = (
    "/certificateName",
    "/certificateArn",
    "/regionalCertificateName",
    "/regionalCertificateArn",
    "/securityPolicy",
)
_MAPPING_PATCHES = ("/basePath", "/restapiId", "/stage")


class DomainLookup(Protocol):
    """Who finds the API of a call to a domain name."""

    async def reload(self) -> None:
        """Know what has been committed."""
        ...


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
        certificate_name: str | None = None,
        certificate_arn: str | None = None,
        regional_certificate_name: str | None = None,
        regional_certificate_arn: str | None = None,
        endpoint_configuration: EndpointConfiguration | None = None,
        security_policy: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Answer:
        name = self._parse_name(domain_name)
        types = () if endpoint_configuration is None else endpoint_configuration.types
        if len(types) > 1 or not {*types} <= {"EDGE", "REGIONAL"}:
            raise NotSupported(f"The endpoint type {', '.join(types)}")
        domain = DomainName(
            domain_name=name,
            account_id=call.account_id,
            created_at=call.now,
            endpoint_type=types[0] if types else "EDGE",
            certificate_name=certificate_name or regional_certificate_name,
            certificate_arn=certificate_arn or regional_certificate_arn,
            security_policy=_security_policy(security_policy or "TLS_1_2"),
            tags=with_tags({}, tags),
        )
        if not await self._domains.save_new_domain_name(domain):
            raise ConflictException("The domain name you provided already exists.")
        await self._lookup.reload()
        return _render(call, domain)

    @operation
    async def get_domain_name(self, call: Call, *, domain_name: str) -> Answer:
        return _render(call, await _domain(self._domains, call, domain_name))

    @operation
    async def get_domain_names(self, call: Call, *, position: str | None = None, limit: int | None = None) -> Answer:
        items, following = page_of(await self._domains.load_domain_names(call.account_id), position, limit)
        return {"items": [_render(call, domain) for domain in items], "position": following}

    @operation
    async def update_domain_name(
        self, call: Call, *, domain_name: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        def change(domain: DomainName) -> DomainName:
            for patch in patch_operations:
                domain = _patched(domain, patch)
            return domain

        changed = await self._domains.change_domain_name(call.account_id, domain_name.lower(), change, _check_mappings)
        if changed is None:
            raise _no_such_domain()
        return _render(call, changed)

    @operation
    async def delete_domain_name(self, call: Call, *, domain_name: str) -> None:
        if not await self._domains.delete_domain_name(call.account_id, domain_name.lower()):
            raise _no_such_domain()
        await self._lookup.reload()

    def _parse_name(self, text: str) -> str:
        try:
            return parse_domain_name(text, own=self._reserved)
        except WildcardDomainName:
            raise NotSupported("A wildcard domain name") from None
        except UnusableDomainName as finding:
            raise BadRequestException(finding.message) from None


class BasePathMappingOperations:
    """CreateBasePathMapping, GetBasePathMapping(s), UpdateBasePathMapping, DeleteBasePathMapping."""

    def __init__(self, store: ApiGatewayStore, domains: DomainNameStore, lookup: DomainLookup) -> None:
        self._store = store
        self._domains = domains
        self._lookup = lookup

    @operation
    async def create_base_path_mapping(
        self,
        call: Call,
        *,
        domain_name: str,
        rest_api_id: str,
        base_path: str | None = None,
        stage: str | None = None,
    ) -> Answer:
        domain = await _domain(self._domains, call, domain_name)
        mapping = BasePathMapping(
            domain_name=domain.domain_name,
            base_path=_checked_base_path(base_path or ""),
            api_id=rest_api_id,
            stage=stage or None,
        )
        await self._check_target(call, mapping)
        if not await self._domains.save_new_base_path_mapping(mapping):
            raise ConflictException("Base path already exists for this domain name")
        await self._lookup.reload()
        return _render_mapping(mapping)

    @operation
    async def get_base_path_mapping(self, call: Call, *, domain_name: str, base_path: str) -> Answer:
        domain = await _domain(self._domains, call, domain_name)
        return _render_mapping(await self._load(domain, _is_at(base_path)))

    @operation
    async def get_base_path_mappings(
        self, call: Call, *, domain_name: str, position: str | None = None, limit: int | None = None
    ) -> Answer:
        domain = await _domain(self._domains, call, domain_name)
        mappings = await self._domains.load_base_path_mappings(domain.domain_name)
        items, following = page_of([mapping for mapping in mappings if not mapping.is_http], position, limit)
        return {"items": [_render_mapping(mapping) for mapping in items], "position": following}

    @operation
    async def update_base_path_mapping(
        self, call: Call, *, domain_name: str, base_path: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        domain = await _domain(self._domains, call, domain_name)
        wanted = await self._load(domain, _is_at(base_path))
        wanted = msgspec.structs.replace(wanted, id=wanted.mapping_id)
        for patch in patch_operations:
            wanted = _patched_mapping(wanted, patch)
        await self._check_target(call, wanted)
        moved = wanted

        def change(_: BasePathMapping, others: Collection[BasePathMapping]) -> BasePathMapping:
            if any(other.base_path == moved.base_path for other in others):
                raise ConflictException("Base path already exists for this domain name")
            return moved

        if await self._domains.change_base_path_mapping(domain.domain_name, _is_at(base_path), change) is None:
            raise _no_such_mapping()
        await self._lookup.reload()
        return _render_mapping(moved)

    @operation
    async def delete_base_path_mapping(self, call: Call, *, domain_name: str, base_path: str) -> None:
        domain = await _domain(self._domains, call, domain_name)
        if not await self._domains.delete_base_path_mapping(domain.domain_name, _is_at(base_path)):
            raise _no_such_mapping()
        await self._lookup.reload()

    async def _load(self, domain: DomainName, is_wanted: Callable[[BasePathMapping], bool]) -> BasePathMapping:
        for mapping in await self._domains.load_base_path_mappings(domain.domain_name):
            if is_wanted(mapping):
                return mapping
        raise _no_such_mapping()

    async def _check_target(self, call: Call, mapping: BasePathMapping) -> None:
        if await self._store.load_rest_api(call.account_id, mapping.api_id) is None:
            raise BadRequestException("Invalid REST API identifier specified")
        if mapping.stage and await self._store.load_stage(mapping.api_id, mapping.stage) is None:
            raise BadRequestException("Invalid stage identifier specified")


async def _domain(domains: DomainNameStore, call: Call, name: str) -> DomainName:
    domain = await domains.load_domain_name(call.account_id, name.lower())
    if domain is None:
        raise _no_such_domain()
    return domain


def _no_such_domain() -> NotFoundException:
    return NotFoundException("Invalid domain name identifier specified")


def _no_such_mapping() -> NotFoundException:
    return NotFoundException("Invalid base path mapping identifier specified")


def _checked_base_path(base_path: str) -> str:
    if base_path in {"", _NO_BASE_PATH}:
        return ""
    if "/" in base_path:
        raise BadRequestException(
            "API Gateway V1 doesn't support the slash character (/) in base path mappings. "
            "To create a multi-level base path mapping, use API Gateway V2."
        )
    if not is_mapping_key(base_path):
        raise BadRequestException(f"Invalid base path specified: {base_path}")
    return base_path


def _security_policy(policy: str) -> str:
    if policy not in DomainName.SECURITY_POLICIES:
        raise NotSupported(f"The security policy {policy}")
    return policy


def _check_mappings(domain: DomainName, mappings: Collection[BasePathMapping]) -> None:
    for mapping in mappings:
        if not mapping.fits(domain):
            raise BadRequestException(mapping.what_it_needs)


def _is_at(base_path: str) -> Callable[[BasePathMapping], bool]:
    # This version knows the mappings of REST APIs only (UNVERIFIED what AWS shows here of an HTTP API's).
    wanted = "" if base_path == _NO_BASE_PATH else base_path
    return lambda mapping: mapping.base_path == wanted and not mapping.is_http


def _patched(domain: DomainName, patch: PatchOperation) -> DomainName:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", (("certificateName" | "regionalCertificateName"),):
            return replace(domain, certificate_name=patch.value or None)
        case "replace", (("certificateArn" | "regionalCertificateArn"),):
            return replace(domain, certificate_arn=patch.value or None)
        case "replace", ("securityPolicy",):
            return replace(domain, security_policy=_security_policy(required_value(patch)))
        case _, ("mutualTlsAuthentication", *_):
            raise NotSupported("Mutual TLS")
        case _:
            raise invalid_patch(patch, _PATCHES)


def _patched_mapping(mapping: BasePathMapping, patch: PatchOperation) -> BasePathMapping:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", (("basePath" | "basepath"),):
            return replace(mapping, base_path=_checked_base_path(patch.value or ""))
        case "replace", (("restapiId" | "restApiId"),):
            return replace(mapping, api_id=required_value(patch))
        case "replace", ("stage",):
            return replace(mapping, stage=patch.value or None)
        case _:
            raise invalid_patch(patch, _MAPPING_PATCHES)


def _render(call: Call, domain: DomainName) -> dict[str, object]:
    is_regional = domain.endpoint_type == "REGIONAL"
    prefix = "regional_" if is_regional else ""
    return {
        "domain_name": domain.domain_name,
        "domain_name_arn": f"arn:aws:apigateway:{call.region}::/domainnames/{domain.domain_name}",
        f"{prefix}certificate_name": domain.certificate_name,
        f"{prefix}certificate_arn": domain.certificate_arn,
        "certificate_upload_date": None if is_regional or domain.certificate_arn is None else domain.created_at,
        "regional_domain_name": domain.regional_target(call.region) if is_regional else None,
        "distribution_domain_name": None if is_regional else domain.edge_target,
        "endpoint_configuration": {"types": [domain.endpoint_type], "ip_address_type": "ipv4"},
        "domain_name_status": "AVAILABLE",
        "security_policy": domain.security_policy,
        "routing_mode": "BASE_PATH_MAPPING_ONLY",
        "tags": domain.tags or None,
    }


def _render_mapping(mapping: BasePathMapping) -> dict[str, object]:
    return {
        "base_path": mapping.base_path or _NO_BASE_PATH,
        "rest_api_id": mapping.api_id,
        "stage": mapping.stage,
    }
