"""A document that was understood becomes part of an API, by the same functions as the single operations.

Merging puts what the document has over what is there: a method of the document replaces that method, and so do a model,
an authorizer, a request validator and a gateway response of the same name. Overwriting takes everything else away
first. Ids of what stays by its path or its name are kept, so that method ARNs, logs and references go on. The policy is
the caller's to save.
"""

from collections.abc import Callable

import msgspec

from velvetrope.apigateway import authoring, integration_rules
from velvetrope.apigateway.authorizers import with_authorizer
from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.models import with_models
from velvetrope.apigateway.openapi.operations import DocumentMethod
from velvetrope.apigateway.openapi.parsing import ApiDocument
from velvetrope.apigateway.request_validators import with_request_validator
from velvetrope.store.tables.apigateway import MethodResponse, Model, RestApi

__all__ = ["apply_document"]

_FIRST_MODELS = {"Empty", "Error"}


def apply_document(api: RestApi, document: ApiDocument, *, overwrite: bool, new_id: Callable[[], str]) -> RestApi:
    """`api` with what the document says: in place of what it was, or (merge) over it.

    Raises:
        BadRequestException: a part of it breaks a rule; the message says which.
    """
    replace = msgspec.structs.replace
    before = api
    if overwrite:
        root = replace(api.resources[api.root_resource_id], methods={})
        api = replace(
            api,
            resources={root.id: root},
            gateway_responses={},
            authorizers={},
            request_validators={},
            models={name: model for name, model in api.models.items() if name in _FIRST_MODELS},
            binary_media_types=(),
            api_key_source="HEADER",
            disable_execute_api_endpoint=False,
            description=document.description,
            version=document.version,
        )
    api = with_models(
        api,
        [
            Model(id=_kept(before.models, name, new_id), name=name, content_type="application/json", schema=schema)
            for name, schema in document.schemas.items()
        ],
    )
    authorizer_ids = {one.name: one.id for one in before.authorizers.values()}
    for authorizer in document.authorizers:
        authorizer_ids.setdefault(authorizer.name, new_id())
        api = with_authorizer(api, replace(authorizer, id=authorizer_ids[authorizer.name]))
    validator_ids = {one.name: one.id for one in before.request_validators.values()}
    for validator in document.request_validators:
        validator_ids.setdefault(validator.name, new_id())
        api = with_request_validator(api, replace(validator, id=validator_ids[validator.name]))
    resource_ids = {resource.path: resource.id for resource in before.resources.values()}
    for path in sorted(document.paths):
        api = _with_path(api, path, lambda wanted: resource_ids.get(wanted) or new_id())
    by_path = {resource.path: resource.id for resource in api.resources.values()}
    for declared in document.methods:
        api = _with_method(api, by_path[_normal(declared.path)], declared, authorizer_ids, validator_ids)
    for gateway_response in document.gateway_responses:
        api = authoring.with_gateway_response(api, gateway_response)
    if document.binary_media_types is not None:
        api = replace(api, binary_media_types=document.binary_media_types)
    if document.api_key_source is not None:
        api = replace(api, api_key_source=document.api_key_source)
    if document.disable_execute_api_endpoint is not None:
        api = replace(api, disable_execute_api_endpoint=document.disable_execute_api_endpoint)
    return api


def _with_method(
    api: RestApi,
    resource_id: str,
    declared: DocumentMethod,
    authorizer_ids: dict[str, str],
    validator_ids: dict[str, str],
) -> RestApi:
    validator_id = None
    if declared.validator is not None:
        validator_id = validator_ids.get(declared.validator)
        if validator_id not in api.request_validators:
            raise BadRequestException(
                f"Invalid request validator specified in {declared.method.http_method} {declared.path}: "
                f"{declared.validator}"
            )
    method = msgspec.structs.replace(
        declared.method,
        authorization_type=declared.asked.authorization_type,
        authorizer_id=None if declared.asked.authorizer is None else authorizer_ids[declared.asked.authorizer],
        request_validator_id=validator_id,
        method_responses={},
    )
    try:
        api = authoring.with_method(api, resource_id, method)
        verb = method.http_method
        for response in declared.method.method_responses.values():
            api = authoring.with_method_response(api, resource_id, verb, response)
        if declared.integration is None:
            return api
        api = integration_rules.with_integration(api, resource_id, verb, declared.integration)
        for answer in declared.integration_responses:
            if answer.status_code not in declared.method.method_responses:
                empty = MethodResponse(
                    status_code=answer.status_code, response_parameters=dict.fromkeys(answer.response_parameters, False)
                )
                api = authoring.with_method_response(api, resource_id, verb, empty)
            api = integration_rules.with_integration_response(api, resource_id, verb, answer)
    except NotSupported:
        raise
    except BadRequestException as refused:
        # AWS says which method it was, too.
        where = f"Unable to put method '{method.http_method}' on resource at path '{declared.path}'"
        raise BadRequestException(f"{where}: {refused.message}") from refused
    return api


def _kept(present: dict[str, Model], name: str, new_id: Callable[[], str]) -> str:
    return present[name].id if name in present else new_id()


def _with_path(api: RestApi, path: str, resource_id: Callable[[str], str]) -> RestApi:
    by_path = {resource.path: resource.id for resource in api.resources.values()}
    parent_id, walked = api.root_resource_id, ""
    for part in [part for part in _normal(path).split("/") if part]:
        walked = f"{walked}/{part}"
        if walked not in by_path:
            by_path[walked] = resource_id(walked)
            api = authoring.with_resource(api, parent_id=parent_id, path_part=part, resource_id=by_path[walked])
        parent_id = by_path[walked]
    return api


def _normal(path: str) -> str:
    return path.rstrip("/") or "/"
