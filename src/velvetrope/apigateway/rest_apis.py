"""REST APIs: create, import, read, change, delete.

An import (`ImportRestApi`, `PutRestApi`) reads an OpenAPI document and makes of it what the single operations would
have made; see `openapi`. An import that overwrites names the API after the document's title; one that merges does not.
What the document has and an API does not (cookies among parameters) is warned of, or with `failOnWarnings` refused.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.model_schemas import model_reference
from velvetrope.apigateway.openapi import ApiDocument, apply_document, parse_document
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, patch_bool, pointer_parts, required_value
from velvetrope.apigateway.resource_policies import pinned_policy, render_policy, saved_policy
from velvetrope.apigateway.tags import with_tags
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.policy import PolicyPrincipals
from velvetrope.store.tables.apigateway import ApiGatewayStore, BasePathMapping, Model, Resource, RestApi

__all__ = ["EndpointConfiguration", "RestApiOperations", "check_unmapped"]

_PATCHES = (
    "/name",
    "/description",
    "/version",
    "/apiKeySource",
    "/policy",
    "/binaryMediaTypes/…",
    "/disableExecuteApiEndpoint",
    "/endpointConfiguration/types/…",
)
_FIRST_MODELS = {
    "Empty": '{\n  "$schema": "http://json-schema.org/draft-04/schema#",\n  "title" : "Empty Schema",\n'
    '  "type" : "object"\n}',
    "Error": '{\n  "$schema" : "http://json-schema.org/draft-04/schema#",\n  "title" : "Error Schema",\n'
    '  "type" : "object",\n  "properties" : {\n    "message" : { "type" : "string" }\n  }\n}',
}
"""What every API starts with."""
_BASE_PATH = ("basepath", "basePath")
_IMPORT_PARAMETERS = {"endpointConfigurationTypes", "ignore", *_BASE_PATH}


class EndpointConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`REGIONAL` or `EDGE`, which are served alike here."""

    types: tuple[str, ...] = ()
    ip_address_type: Literal["ipv4"] | None = None


class RestApiOperations:
    """CreateRestApi, ImportRestApi, PutRestApi, GetRestApi(s), UpdateRestApi, DeleteRestApi."""

    def __init__(self, store: ApiGatewayStore, principals: PolicyPrincipals, entropy: Entropy) -> None:
        self._store = store
        self._principals = principals
        self._entropy = entropy

    @operation
    async def create_rest_api(
        self,
        call: Call,
        *,
        name: str,
        description: str | None = None,
        version: str | None = None,
        binary_media_types: tuple[str, ...] = (),
        api_key_source: str | None = None,
        endpoint_configuration: EndpointConfiguration | None = None,
        policy: str | None = None,
        tags: Mapping[str, str] | None = None,
        disable_execute_api_endpoint: bool = False,
        clone_from: str | None = None,
    ) -> Answer:
        _check_name(name)
        if description == "":
            raise BadRequestException("Description cannot be an empty string")
        api = self._new_api(call, name)
        if clone_from:
            model = await self._store.load_rest_api(call.account_id, clone_from)
            if model is None:
                raise no_such_api(call, clone_from)
            api = _cloned(model, api)
        api = msgspec.structs.replace(
            api,
            description=description or api.description,
            version=version or api.version,
            binary_media_types=tuple(binary_media_types) or api.binary_media_types,
            api_key_source=_key_source(api_key_source or api.api_key_source),
            endpoint_type=_endpoint_type(endpoint_configuration.types) if endpoint_configuration else api.endpoint_type,
            policy=_policy(call, api.id, await self._pinned(call, policy or "")),
            tags=with_tags({}, tags),
            disable_execute_api_endpoint=disable_execute_api_endpoint,
        )
        await self._store.save_new_rest_api(api)
        return await self._render(api)

    @operation
    async def import_rest_api(
        self,
        call: Call,
        *,
        body: bytes,
        fail_on_warnings: bool = False,
        parameters: Mapping[str, str] | None = None,
    ) -> Answer:
        api = self._new_api(call, "")
        document = await self._document(call, api.id, body, parameters or {}, fail_on_warnings=fail_on_warnings)
        if not document.title:
            raise BadRequestException("Title is required in the Info object of the API document")
        api = msgspec.structs.replace(api, name=document.title)
        api = _with_import_parameters(api, parameters or {})
        api = self._with_document(call, api, document, overwrite=True)
        await self._store.save_new_rest_api(api)
        return await self._render(api, warnings=document.warnings)

    @operation
    async def put_rest_api(
        self,
        call: Call,
        *,
        rest_api_id: str,
        body: bytes,
        mode: str | None = None,
        fail_on_warnings: bool = False,
        parameters: Mapping[str, str] | None = None,
    ) -> Answer:
        document = await self._document(call, rest_api_id, body, parameters or {}, fail_on_warnings=fail_on_warnings)

        def change(api: RestApi) -> RestApi:
            api = _with_import_parameters(api, parameters or {})
            if mode == "overwrite":
                api = msgspec.structs.replace(api, name=document.title or api.name)
            return self._with_document(call, api, document, overwrite=mode == "overwrite")

        changed = await self._store.change_rest_api(call.account_id, rest_api_id, change)
        if changed is None:
            raise no_such_api(call, rest_api_id)
        return await self._render(changed, warnings=document.warnings)

    @operation
    async def get_rest_api(self, call: Call, *, rest_api_id: str) -> Answer:
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise no_such_api(call, rest_api_id)
        return await self._render(api)

    @operation
    async def get_rest_apis(self, call: Call, *, position: str | None = None, limit: int | None = None) -> Answer:
        items, following = page_of(await self._store.load_rest_apis(call.account_id), position, limit)
        return {"items": [await self._render(api) for api in items], "position": following}

    @operation
    async def update_rest_api(
        self, call: Call, *, rest_api_id: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        patches = [await self._pinned_patch(call, patch) for patch in patch_operations]

        def change(api: RestApi) -> RestApi:
            for patch in patches:
                api = _patched(call, api, patch)
            return api

        changed = await self._store.change_rest_api(call.account_id, rest_api_id, change)
        if changed is None:
            raise no_such_api(call, rest_api_id)
        return await self._render(changed)

    @operation
    async def delete_rest_api(self, call: Call, *, rest_api_id: str) -> None:
        if not await self._store.delete_rest_api(call.account_id, rest_api_id, check_unmapped):
            raise no_such_api(call, rest_api_id)

    async def _pinned(self, call: Call, policy: str) -> str:
        return await pinned_policy(self._principals, call.account_id, policy)

    async def _pinned_patch(self, call: Call, patch: PatchOperation) -> PatchOperation:
        if patch.path != "/policy" or not patch.value:
            return patch
        return msgspec.structs.replace(patch, value=await self._pinned(call, patch.value))

    async def _document(
        self, call: Call, rest_api_id: str, body: bytes, parameters: Mapping[str, str], *, fail_on_warnings: bool
    ) -> ApiDocument:
        document = _parse(rest_api_id, body, parameters, fail_on_warnings=fail_on_warnings)
        return (
            document
            if document.policy is None
            else dataclasses.replace(document, policy=await self._pinned(call, document.policy))
        )

    async def _render(self, api: RestApi, *, warnings: Sequence[str] = ()) -> dict[str, object]:
        policy = None if api.policy is None else await self._principals.show(api.account_id, api.policy)
        return _render(api, policy, warnings)

    def _new_api(self, call: Call, name: str) -> RestApi:
        root_id = new_alphanumeric(self._entropy, 10)
        models = (
            Model(id=new_alphanumeric(self._entropy, 6), name=name, content_type="application/json", schema=schema)
            for name, schema in _FIRST_MODELS.items()
        )
        return RestApi(
            id=new_alphanumeric(self._entropy, 10),
            account_id=call.account_id,
            name=name,
            created_at=call.now,
            root_resource_id=root_id,
            resources={root_id: Resource(id=root_id, path="/")},
            models={model.name: model for model in models},
        )

    def _with_document(self, call: Call, api: RestApi, document: ApiDocument, *, overwrite: bool) -> RestApi:
        changed = apply_document(api, document, overwrite=overwrite, new_id=lambda: new_alphanumeric(self._entropy, 6))
        if document.policy is not None:
            changed = msgspec.structs.replace(changed, policy=_policy(call, api.id, document.policy))
        elif overwrite:
            changed = msgspec.structs.replace(changed, policy=None)
        return changed


def _cloned(model: RestApi, made: RestApi) -> RestApi:
    # Ids of what is inside stay: nobody outside the API knows them. References of models name the API, though. The
    # policy and the tags are the other API's own (UNVERIFIED).
    own, other = model_reference(made.id, ""), model_reference(model.id, "")
    return msgspec.structs.replace(
        model,
        id=made.id,
        name=made.name,
        created_at=made.created_at,
        models={
            name: msgspec.structs.replace(one, schema=one.schema.replace(other, own))
            for name, one in model.models.items()
        },
    )


def check_unmapped(mappings: Collection[BasePathMapping]) -> None:
    """Nothing that a base path mapping leads to is deleted."""
    for mapping in mappings:
        # AWS refuses too; its text is UNVERIFIED.
        raise BadRequestException(
            f"Please remove the base path mapping {mapping.base_path or '(none)'} of {mapping.domain_name} first"
        )


def _render(api: RestApi, policy: str | None, warnings: Sequence[str]) -> dict[str, object]:
    return {
        "id": api.id,
        "name": api.name,
        "description": api.description,
        "created_date": api.created_at,
        "version": api.version,
        "binary_media_types": list(api.binary_media_types) or None,
        "api_key_source": api.api_key_source,
        "endpoint_configuration": {"types": [api.endpoint_type], "ip_address_type": "ipv4"},
        "policy": render_policy(policy),
        "tags": api.tags or None,
        "disable_execute_api_endpoint": api.disable_execute_api_endpoint,
        "root_resource_id": api.root_resource_id,
        "warnings": list(warnings) or None,
    }


def _policy(call: Call, rest_api_id: str, text: str) -> str | None:
    return saved_policy(text, rest_api_id=rest_api_id, region=call.region, account_id=call.account_id)


def _key_source(source: str) -> str:
    if source not in {"HEADER", "AUTHORIZER"}:
        raise BadRequestException(f"Invalid API key source specified: {source}")
    return source


def _endpoint_type(types: tuple[str, ...]) -> str:
    if not types:
        return "EDGE"
    if types[0] not in {"REGIONAL", "EDGE"} or len(types) > 1:
        raise NotSupported(f"The endpoint type {', '.join(types)}")
    return types[0]


def _parse(rest_api_id: str, body: bytes, parameters: Mapping[str, str], *, fail_on_warnings: bool) -> ApiDocument:
    for name, value in parameters.items():
        if name not in _IMPORT_PARAMETERS or (name == "ignore" and value != "documentation"):
            raise NotSupported(f"The import parameter {name}={value}")
    base_path = next((parameters[name] for name in _BASE_PATH if name in parameters), "ignore")
    document = parse_document(body, rest_api_id=rest_api_id, base_path=base_path)
    if document.warnings and fail_on_warnings:
        raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(document.warnings))
    return document


def _with_import_parameters(api: RestApi, parameters: Mapping[str, str]) -> RestApi:
    types = parameters.get("endpointConfigurationTypes")
    return api if types is None else msgspec.structs.replace(api, endpoint_type=_endpoint_type((types,)))


def _check_name(name: str) -> None:
    if not name.strip():
        raise BadRequestException("Name cannot be an empty string")


def _patched(call: Call, api: RestApi, patch: PatchOperation) -> RestApi:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("name",):
            name = required_value(patch)
            _check_name(name)
            return replace(api, name=name)
        case "replace", ("description",):
            return replace(api, description=patch.value or None)
        case "replace", ("version",):
            return replace(api, version=patch.value or None)
        case "replace", ("apiKeySource",):
            return replace(api, api_key_source=_key_source(required_value(patch)))
        case "replace", ("policy",):
            return replace(api, policy=_policy(call, api.id, patch.value or ""))
        case "replace", ("disableExecuteApiEndpoint",):
            return replace(api, disable_execute_api_endpoint=patch_bool(patch))
        case "replace", ("endpointConfiguration", "types", _):
            return replace(api, endpoint_type=_endpoint_type((required_value(patch),)))
        case "add", ("binaryMediaTypes", media_type):
            kept = [one for one in api.binary_media_types if one != media_type]
            return replace(api, binary_media_types=(*kept, media_type))
        case "remove", ("binaryMediaTypes", media_type):
            return replace(api, binary_media_types=tuple(one for one in api.binary_media_types if one != media_type))
        case "replace", ("binaryMediaTypes", media_type):
            kept = [one for one in api.binary_media_types if one != media_type]
            return replace(api, binary_media_types=(*kept, required_value(patch)))
        case _:
            raise invalid_patch(patch, _PATCHES)
