"""GetExport: what a stage serves, as an OpenAPI document.

The document is of the stage's deployment, not of what is under work. SDKs and Postman collections are refused by name.

Source: API Gateway API reference, GetExport.
"""

import json
from collections.abc import Mapping

import msgspec

from velvetrope.apigateway.authored_apis import AuthoredApis
from velvetrope.apigateway.errors import BadRequestException, NotFoundException, NotSupported
from velvetrope.apigateway.openapi import ExportTarget, render_document
from velvetrope.operations import Answer, Call, operation
from velvetrope.policy import PolicyPrincipals
from velvetrope.store.tables.apigateway import ApiGatewayStore

__all__ = ["ExportOperations"]

_KINDS = ("oas30", "swagger")
_EXTENSIONS = {"integrations", "authorizers", "apigateway"}
_FORMATS = {"application/json": "json", "application/yaml": "yaml"}


class ExportOperations:
    """GetExport."""

    def __init__(self, store: ApiGatewayStore, principals: PolicyPrincipals) -> None:
        self._store = store
        self._principals = principals
        self._apis = AuthoredApis(store)

    @operation
    async def get_export(
        self,
        call: Call,
        *,
        rest_api_id: str,
        stage_name: str,
        export_type: str,
        parameters: Mapping[str, str] | None = None,
        accepts: str = "application/json",
    ) -> Answer:
        if export_type not in _KINDS:
            raise BadRequestException(f"No API exporter for type '{export_type}'")
        content_type = accepts.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip().lower()
        content_type = "application/json" if content_type in {"", "*/*"} else content_type
        if content_type not in _FORMATS:
            raise BadRequestException(f"Unsupported export format: {content_type}")
        extensions = _extensions(parameters or {})
        await self._apis.load(call, rest_api_id)
        stage = await self._store.load_stage(rest_api_id, stage_name)
        deployment = None if stage is None else await self._store.load_deployment(rest_api_id, stage.deployment_id)
        if deployment is None:
            raise NotFoundException("Invalid stage identifier specified")
        target = ExportTarget(f"{rest_api_id}.execute-api.{call.region}.amazonaws.com", stage_name)
        api = deployment.rest_api
        if api.policy is not None:
            api = msgspec.structs.replace(api, policy=await self._principals.show(call.account_id, api.policy))
        document = render_document(api, export_type, target, extensions=extensions)
        body = json.dumps(document, indent=2)
        if content_type == "application/yaml":
            import yaml

            # By way of JSON, so that no part is the same object as another: YAML would write an alias.
            body = yaml.safe_dump(json.loads(body), sort_keys=False)
        stamp = call.now.strftime("%Y-%m-%dT%H-%M-%SZ")
        return {
            "content_type": content_type,
            "content_disposition": f'attachment; filename="{export_type}_{stamp}.{_FORMATS[content_type]}"',
            "body": body.encode(),
        }


def _extensions(parameters: Mapping[str, str]) -> set[str]:
    for name in parameters:
        if name != "extensions":
            raise NotSupported(f"The export parameter {name}={parameters[name]}")
    asked = {one.strip() for one in parameters.get("extensions", "").split(",")} - {""}
    for extension in asked - _EXTENSIONS:
        raise NotSupported(f"The export extension {extension}")
    return asked
