"""Request validators: which parts of a request are checked before its integration sees it.

Sources: API Gateway API reference, CreateRequestValidator, UpdateRequestValidator; Developer Guide, "Request validation
for REST APIs". Texts not seen in captures of AWS are UNVERIFIED.
"""

import msgspec

from velvetrope.apigateway.authored_apis import AuthoredApis
from velvetrope.apigateway.authoring import methods_of
from velvetrope.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, patch_bool, pointer_parts, required_value
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, RequestValidator, RestApi

__all__ = ["RequestValidatorOperations", "with_request_validator"]

_PATCHES = ("/name", "/validateRequestBody", "/validateRequestParameters")


class RequestValidatorOperations:
    """CreateRequestValidator, GetRequestValidator(s), UpdateRequestValidator, DeleteRequestValidator."""

    def __init__(self, store: ApiGatewayStore, entropy: Entropy) -> None:
        self._apis = AuthoredApis(store)
        self._entropy = entropy

    @operation
    async def create_request_validator(
        self,
        call: Call,
        *,
        rest_api_id: str,
        name: str | None = None,
        validate_request_body: bool = False,
        validate_request_parameters: bool = False,
    ) -> Answer:
        validator_id = new_alphanumeric(self._entropy, 6)
        validator = RequestValidator(
            id=validator_id,
            name=name or validator_id,
            validate_request_body=validate_request_body,
            validate_request_parameters=validate_request_parameters,
        )
        await self._apis.change(call, rest_api_id, lambda api: with_request_validator(api, validator))
        return _render(validator)

    @operation
    async def get_request_validator(self, call: Call, *, rest_api_id: str, request_validator_id: str) -> Answer:
        return _render(_find(await self._apis.load(call, rest_api_id), request_validator_id))

    @operation
    async def get_request_validators(
        self, call: Call, *, rest_api_id: str, position: str | None = None, limit: int | None = None
    ) -> Answer:
        api = await self._apis.load(call, rest_api_id)
        items, following = page_of(list(api.request_validators.values()), position, limit)
        return {"items": [_render(validator) for validator in items], "position": following}

    @operation
    async def update_request_validator(
        self,
        call: Call,
        *,
        rest_api_id: str,
        request_validator_id: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            validator = _find(api, request_validator_id)
            for patch in patch_operations:
                validator = _patched(validator, patch)
            return with_request_validator(api, validator)

        changed = await self._apis.change(call, rest_api_id, change)
        return _render(changed.request_validators[request_validator_id])

    @operation
    async def delete_request_validator(self, call: Call, *, rest_api_id: str, request_validator_id: str) -> None:
        def change(api: RestApi) -> RestApi:
            _find(api, request_validator_id)
            for resource, method in methods_of(api):
                if method.request_validator_id == request_validator_id:
                    raise ConflictException(
                        f"Cannot delete request validator '{request_validator_id}', is referenced in method: "
                        f"{resource.path}/{method.http_method}"
                    )
            left = {key: one for key, one in api.request_validators.items() if key != request_validator_id}
            return msgspec.structs.replace(api, request_validators=left)

        await self._apis.change(call, rest_api_id, change)


def with_request_validator(api: RestApi, validator: RequestValidator) -> RestApi:
    """`api` with a request validator, new or changed."""
    if not validator.name.strip():
        raise BadRequestException("Request validator name cannot be an empty string")
    return msgspec.structs.replace(api, request_validators={**api.request_validators, validator.id: validator})


def _find(api: RestApi, validator_id: str) -> RequestValidator:
    validator = api.request_validators.get(validator_id)
    if validator is None:
        raise NotFoundException("Invalid Request Validator identifier specified")
    return validator


def _patched(validator: RequestValidator, patch: PatchOperation) -> RequestValidator:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("name",):
            return replace(validator, name=required_value(patch))
        case "replace", ("validateRequestBody",):
            return replace(validator, validate_request_body=patch_bool(patch))
        case "replace", ("validateRequestParameters",):
            return replace(validator, validate_request_parameters=patch_bool(patch))
        case _:
            raise invalid_patch(patch, _PATCHES)


def _render(validator: RequestValidator) -> dict[str, object]:
    return {
        "id": validator.id,
        "name": validator.name,
        "validate_request_body": validator.validate_request_body,
        "validate_request_parameters": validator.validate_request_parameters,
    }
