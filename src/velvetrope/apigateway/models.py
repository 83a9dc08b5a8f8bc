"""Models: JSON schemas with names, for request bodies and for clients' eyes.

Every API starts with `Empty` and `Error`. A model that a method or another model names is not deleted.

Sources: API Gateway API reference, CreateModel, UpdateModel, GetModelTemplate; texts from captures of AWS, those of a
deletion refused are UNVERIFIED.
"""

import re
from collections.abc import Sequence

import msgspec

from velvetrope.apigateway.authored_apis import AuthoredApis
from velvetrope.apigateway.authoring import methods_of
from velvetrope.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from velvetrope.apigateway.model_schemas import flattened_schema, parse_schema, referenced_models, sample_template
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, pointer_parts, required_value
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, Model, RestApi

__all__ = ["ModelOperations", "with_models"]

_NAME = re.compile(r"[A-Za-z0-9]+")
_PATCHES = ("/description", "/schema")


class ModelOperations:
    """CreateModel, GetModel(s), GetModelTemplate, UpdateModel, DeleteModel."""

    def __init__(self, store: ApiGatewayStore, entropy: Entropy) -> None:
        self._apis = AuthoredApis(store)
        self._entropy = entropy

    @operation
    async def create_model(
        self,
        call: Call,
        *,
        rest_api_id: str,
        name: str,
        content_type: str,
        description: str | None = None,
        schema: str = "",
    ) -> Answer:
        model = Model(
            id=new_alphanumeric(self._entropy, 6),
            name=name,
            content_type=content_type,
            schema=schema,
            description=description,
        )

        def change(api: RestApi) -> RestApi:
            if name in api.models:
                raise ConflictException("Model name already exists for this REST API")
            return with_models(api, [model])

        await self._apis.change(call, rest_api_id, change)
        return _render(model)

    @operation
    async def get_model(self, call: Call, *, rest_api_id: str, model_name: str, flatten: bool = False) -> Answer:
        api = await self._apis.load(call, rest_api_id)
        model = _find(api, model_name)
        if flatten:
            model = msgspec.structs.replace(model, schema=flattened_schema(model.schema, _schemas(api)))
        return _render(model)

    @operation
    async def get_models(
        self, call: Call, *, rest_api_id: str, position: str | None = None, limit: int | None = None
    ) -> Answer:
        api = await self._apis.load(call, rest_api_id)
        items, following = page_of(sorted(api.models.values(), key=lambda model: model.name), position, limit)
        return {"items": [_render(model) for model in items], "position": following}

    @operation
    async def get_model_template(self, call: Call, *, rest_api_id: str, model_name: str) -> Answer:
        api = await self._apis.load(call, rest_api_id)
        return {"value": sample_template(_find(api, model_name).schema, _schemas(api))}

    @operation
    async def update_model(
        self,
        call: Call,
        *,
        rest_api_id: str,
        model_name: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            model = _find(api, model_name)
            for patch in patch_operations:
                model = _patched(model, patch)
            return with_models(api, [model])

        changed = await self._apis.change(call, rest_api_id, change)
        return _render(changed.models[model_name])

    @operation
    async def delete_model(self, call: Call, *, rest_api_id: str, model_name: str) -> None:
        def change(api: RestApi) -> RestApi:
            _find(api, model_name)
            _check_unused(api, model_name)
            left = {name: model for name, model in api.models.items() if name != model_name}
            return msgspec.structs.replace(api, models=left)

        await self._apis.change(call, rest_api_id, change)


def with_models(api: RestApi, models: Sequence[Model]) -> RestApi:
    """`api` with models, new or changed, that may refer to each other.

    Raises:
        BadRequestException: a name or a schema is not one.
    """
    known = {*api.models, *(model.name for model in models)}
    for model in models:
        if not _NAME.fullmatch(model.name):
            raise BadRequestException(
                f"Model name must be alphanumeric: {model.name}" if model.name else "Model name must be non-empty"
            )
        if not model.schema:
            raise BadRequestException("Model schema must have at least 1 property or array items defined")
        parse_schema(model.schema, known)
    return msgspec.structs.replace(api, models={**api.models, **{model.name: model for model in models}})


def _find(api: RestApi, name: str) -> Model:
    model = api.models.get(name)
    if model is None:
        raise NotFoundException(f"Invalid model name specified: {name}")
    return model


def _check_unused(api: RestApi, name: str) -> None:
    for resource, method in methods_of(api):
        where = f"{resource.path}/{method.http_method}"
        if name in method.request_models.values():
            raise ConflictException(f"Cannot delete model '{name}', is referenced in method request: {where}")
        if any(name in response.response_models.values() for response in method.method_responses.values()):
            raise ConflictException(f"Cannot delete model '{name}', is referenced in method response: {where}")
    for other in api.models.values():
        if other.name != name and name in referenced_models(other.schema):
            raise ConflictException(f"Cannot delete model '{name}', is referenced in model: {other.name}")


def _schemas(api: RestApi) -> dict[str, str]:
    return {name: model.schema for name, model in api.models.items()}


def _patched(model: Model, patch: PatchOperation) -> Model:
    match patch.op, pointer_parts(patch.path):
        case "replace", ("description",):
            return msgspec.structs.replace(model, description=patch.value or None)
        case "replace", ("schema",):
            return msgspec.structs.replace(model, schema=required_value(patch))
        case _:
            raise invalid_patch(patch, _PATCHES)


def _render(model: Model) -> dict[str, object]:
    return {
        "id": model.id,
        "name": model.name,
        "description": model.description,
        "schema": model.schema,
        "content_type": model.content_type,
    }
