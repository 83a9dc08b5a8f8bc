"""The SAM template of an app: one table of resources, in the order an engineer would write them.

Nothing is decided here that the app did not say, save the safe defaults of AWS's own guides: roles trust exactly one
identity pool and one kind of identity, the guest role may do nothing that no route allows it, a client of a browser has
no secret, and gateway errors carry CORS headers so that a browser shows the status instead of a network failure.

Sources: AWS SAM specification (AWS::Serverless::Api, AWS::Serverless::Function); Amazon Cognito Developer Guide, "Role
trust and permissions"; API Gateway Developer Guide, "Control access for invoking an API".
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import chain, count

import yaml

from velvetrope.builder import Authorizer, IdentityPool, IdentityPoolRole, Route
from velvetrope.builder.api import CORS_ALLOW_HEADERS, Api
from velvetrope.builder.services import Usable
from velvetrope.synth.app_file import AppDeclaration
from velvetrope.synth.child import DevUserDeclaration
from velvetrope.synth.names import logical_id
from velvetrope.synth.role_policies import invoke_statements
from velvetrope.synth.services import (
    Template,
    database_parameters,
    function_access,
    function_resources,
    queue_resources,
)
from velvetrope.synth.user_pools import user_pool_outputs, user_pool_resources

__all__ = ["Template", "dev_users", "render_template", "sam_template"]

_COGNITO = "cognito-identity.amazonaws.com"
_RUNTIME = f"python3.{sys.version_info.minor}"


def dev_users(app: AppDeclaration) -> list[DevUserDeclaration]:
    """The users that `velvetrope dev` makes; they are never part of the template."""
    return [
        DevUserDeclaration(logical_id(pool.name, "UserPool"), user.username, user.password)
        for pool in app.user_pools
        for user in pool.dev_users
    ]


def sam_template(app: AppDeclaration, *, code_uri: str | Mapping[str, str] = ".") -> Template:
    """The template of `app`; `code_uri` is the function's code, a folder or `{"Bucket": …, "Key": …}`."""
    resources: Template = {}
    outputs: Template = {}
    for pool in app.user_pools:
        resources |= user_pool_resources(pool)
        outputs |= user_pool_outputs(pool, sole=len(app.user_pools) == 1)
    for identities in app.identity_pools:
        resources |= _identity_pool(identities, app)
        output = "IdentityPoolId" if len(app.identity_pools) == 1 else logical_id(identities.name, "IdentityPoolId")
        outputs[output] = {"Value": {"Ref": logical_id(identities.name, "IdentityPool")}}
    resources |= queue_resources(app.queues)
    resources |= _api(app, code_uri)
    resources |= function_resources(app.functions, runtime=_RUNTIME, code_uri=code_uri)
    resources |= _usage_plans(app.api)
    outputs |= _api_outputs(app.api)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"{app.api.name}: routes, and who may call them.",
        "Parameters": {
            "SiteUrls": {
                "Type": "CommaDelimitedList",
                "Default": "http://localhost:4800/",
                "Description": "Addresses of the web app; sign-in and sign-out return there.",
            },
            **database_parameters([*app.api.uses, *(used for f in app.functions.values() for used in f.uses)]),
        },
        "Resources": resources,
        "Outputs": outputs,
    }


def render_template(template: Template) -> str:
    """YAML in the order in which the template was built."""
    text: str = yaml.safe_dump(template, sort_keys=False, default_flow_style=False, width=100, allow_unicode=True)
    return text


def _identity_pool(pool: IdentityPool, app: AppDeclaration) -> Template:
    pool_id = logical_id(pool.name, "IdentityPool")
    roles = {"authenticated": logical_id(pool.name, "AuthenticatedRole")}
    if pool.allow_guests:
        roles["unauthenticated"] = logical_id(pool.name, "GuestRole")
    resources: Template = {
        pool_id: {
            "Type": "AWS::Cognito::IdentityPool",
            "Properties": {
                "IdentityPoolName": pool.name,
                "AllowUnauthenticatedIdentities": pool.allow_guests,
                "CognitoIdentityProviders": [
                    {
                        "ClientId": {"Ref": logical_id(f"{client.user_pool.name}-{client.name}", "Client")},
                        "ProviderName": {"Fn::GetAtt": [logical_id(client.user_pool.name, "UserPool"), "ProviderName"]},
                        "ServerSideTokenCheck": True,
                    }
                    for client in pool.clients
                ],
            },
        }
    }
    for role in (pool.authenticated, pool.guest):
        if role.kind in roles:
            resources[roles[role.kind]] = _identity_role(role, pool_id, app)
    resources[logical_id(pool.name, "Roles")] = {
        "Type": "AWS::Cognito::IdentityPoolRoleAttachment",
        "Properties": {
            "IdentityPoolId": {"Ref": pool_id},
            "Roles": {kind: {"Fn::GetAtt": [role_id, "Arn"]} for kind, role_id in roles.items()},
        },
    }
    return resources


def _identity_role(role: IdentityPoolRole, pool_id: str, app: AppDeclaration) -> Template:
    properties: Template = {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": _COGNITO},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {f"{_COGNITO}:aud": {"Ref": pool_id}},
                        "ForAnyValue:StringLike": {f"{_COGNITO}:amr": role.kind},
                    },
                }
            ],
        }
    }
    statements = invoke_statements(app.api, role)
    if statements:
        properties["Policies"] = [
            {"PolicyName": "invoke-api", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
        ]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _api(app: AppDeclaration, code_uri: str | Mapping[str, str]) -> Template:
    api = app.api
    api_id, function_id = logical_id(api.name, "Api"), logical_id(api.name, "Function")
    api_properties: Template = {
        "Name": api.name,
        "StageName": api.stage,
        "OpenApiVersion": "3.0.1",  # without it SAM deploys a second stage called "Stage"
        "EndpointConfiguration": {"Type": "REGIONAL"},
    }
    authorizers = {**_user_pool_authorizers(api), **_function_authorizers(app)}
    if authorizers:
        api_properties["Auth"] = {"Authorizers": authorizers}
    if api.allow_origin is not None:
        api_properties["Cors"] = {
            "AllowOrigin": f"'{api.allow_origin}'",
            "AllowHeaders": f"'{','.join(CORS_ALLOW_HEADERS)}'",
            "AllowMethods": f"'{','.join(_allow_methods(api.routes))}'",
        }
        api_properties["GatewayResponses"] = {
            kind: {"ResponseParameters": {"Headers": {"Access-Control-Allow-Origin": f"'{api.allow_origin}'"}}}
            for kind in ("DEFAULT_4XX", "DEFAULT_5XX")
        }
    if api.binary_media_types:
        api_properties["BinaryMediaTypes"] = [kind.replace("/", "~1") for kind in api.binary_media_types]
    events: Template = {}
    for route in api.routes:
        wanted = _event_id(route)
        numbered = (f"{wanted}{number}" for number in count(2))  # /notes/{number} and /notes/number have one id
        event_id = next(name for name in chain([wanted], numbered) if name not in events)
        events[event_id] = _event(route, api_id, app.authorizers)
    resources: Template = {
        api_id: {"Type": "AWS::Serverless::Api", "Properties": api_properties},
        function_id: _function(api, app.handler, code_uri, Events=events, uses=api.uses),
    }
    for variable in app.authorizers:
        handler = f"{app.handler.rpartition('.')[0]}.{variable}"
        resources[_authorizer_function(variable)] = _function(api, handler, code_uri)
    return resources


def _function(
    api: Api, handler: str, code_uri: str | Mapping[str, str], uses: Sequence[Usable] = (), **more: object
) -> Template:
    properties: Template = {
        "Handler": handler,
        "Runtime": _RUNTIME,
        "CodeUri": dict(code_uri) if isinstance(code_uri, Mapping) else code_uri,
        "MemorySize": api.memory_mb,
        "Timeout": api.timeout_seconds,
        **more,
    }
    properties |= function_access(uses, api.environment)
    return {"Type": "AWS::Serverless::Function", "Properties": properties}


def _user_pool_authorizers(api: Api) -> Template:
    pools = {route.user_pool.name: route.user_pool for route in api.routes if route.user_pool is not None}
    return {
        logical_id(name, "UserPool"): {"UserPoolArn": {"Fn::GetAtt": [logical_id(name, "UserPool"), "Arn"]}}
        for name in pools
    }


def _function_authorizers(app: AppDeclaration) -> Template:
    authorizers: Template = {}
    for variable, authorizer in app.authorizers.items():
        identity: Template = {"ReauthorizeEvery": authorizer.cache_seconds}
        if authorizer.kind == "TOKEN":
            identity["Header"] = authorizer.headers[0]
            if authorizer.validation_expression is not None:
                identity["ValidationExpression"] = authorizer.validation_expression
        else:
            # SAM wants something to tell callers apart by, but for answers that are not kept.
            identity |= {"Headers": list(authorizer.headers)} if authorizer.headers else {}
            identity |= {"QueryStrings": list(authorizer.query_strings)} if authorizer.query_strings else {}
        authorizers[logical_id(variable, "Authorizer")] = {
            "FunctionPayloadType": authorizer.kind,
            "FunctionArn": {"Fn::GetAtt": [_authorizer_function(variable), "Arn"]},
            "Identity": identity,
        }
    return authorizers


def _authorizer_function(variable: str) -> str:
    return logical_id(variable, "Function")


def _allow_methods(routes: Sequence[Route]) -> list[str]:
    return sorted({route.method for route in routes} | {"OPTIONS"})


def _event_id(route: Route) -> str:
    return logical_id(f"{route.method.capitalize()}-{route.path}") or f"{route.method.capitalize()}Root"


def _event(route: Route, api_id: str, authorizers: Mapping[str, Authorizer]) -> Template:
    auth: Template = {}
    if route.user_pool is not None:
        auth["Authorizer"] = logical_id(route.user_pool.name, "UserPool")
        if route.scopes:
            auth["AuthorizationScopes"] = list(route.scopes)
    elif route.authorizer is not None:
        variable = next(name for name, one in authorizers.items() if one is route.authorizer)
        auth["Authorizer"] = logical_id(variable, "Authorizer")
    elif route.authorization_type != "NONE":  # SAM takes NONE only where there is a default to switch off
        # InvokeRole NONE: API Gateway invokes the function by its resource policy, not as the caller.
        auth |= {"Authorizer": route.authorization_type, "InvokeRole": "NONE"}
    if route.api_key_required:
        auth["ApiKeyRequired"] = True
    properties: Template = {"RestApiId": {"Ref": api_id}, "Method": route.method, "Path": route.path}
    return {"Type": "Api", "Properties": properties | ({"Auth": auth} if auth else {})}


def _usage_plans(api: Api) -> Template:
    resources: Template = {}
    api_id = logical_id(api.name, "Api")
    for plan in api.usage_plans:
        plan_id = logical_id(plan.name, "UsagePlan")
        properties: Template = {
            "UsagePlanName": plan.name,
            "ApiStages": [{"ApiId": {"Ref": api_id}, "Stage": {"Ref": f"{api_id}.Stage"}}],
            "Throttle": {"RateLimit": plan.rate_per_second, "BurstLimit": plan.burst_requests},
        }
        if plan.quota_per_day is not None:
            properties["Quota"] = {"Limit": plan.quota_per_day, "Period": "DAY"}
        resources[plan_id] = {"Type": "AWS::ApiGateway::UsagePlan", "Properties": properties}
        for key in plan.keys:
            key_id = logical_id(f"{plan.name}-{key}", "Key")
            resources[key_id] = {
                "Type": "AWS::ApiGateway::ApiKey",
                "Properties": {"Name": f"{plan.name}-{key}", "Enabled": True},
            }
            resources[f"{key_id}InPlan"] = {
                "Type": "AWS::ApiGateway::UsagePlanKey",
                "Properties": {"KeyId": {"Ref": key_id}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": plan_id}},
            }
    return resources


def _api_outputs(api: Api) -> Template:
    api_id = logical_id(api.name, "Api")
    host = f"${{{api_id}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}"
    outputs: Template = {
        "ApiId": {"Value": {"Ref": api_id}},
        "ApiStage": {"Value": api.stage},
        "ApiUrl": {"Value": {"Fn::Sub": f"https://{host}/{api.stage}"}},
    }
    for plan in api.usage_plans:
        for key in plan.keys:
            sole = len(api.usage_plans) == 1 and len(plan.keys) == 1
            name = "ApiKeyId" if sole else logical_id(f"{plan.name}-{key}", "KeyId")
            outputs[name] = {"Value": {"Ref": logical_id(f"{plan.name}-{key}", "Key")}}
    return outputs
