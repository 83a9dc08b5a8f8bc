"""User pools in the template: who can sign in, through which app clients, and which machines get tokens."""

import re

from velvetrope.builder import UserPool
from velvetrope.builder.pools import AppClient, MachineClient, ResourceServer
from velvetrope.synth.names import logical_id
from velvetrope.synth.services import Template

__all__ = ["user_pool_outputs", "user_pool_resources"]


def user_pool_resources(pool: UserPool) -> Template:
    """The pool, its app clients, resource servers, machines and domain."""
    servers = {
        logical_id(f"{pool.name}-{server.identifier}", "Scopes"): _resource_server(pool, server)
        for server in pool.resource_servers
    }
    resources: Template = {
        _pool_id(pool): {
            "Type": "AWS::Cognito::UserPool",
            "Properties": {
                "UserPoolName": pool.name,
                "Policies": {
                    "PasswordPolicy": {
                        "MinimumLength": pool.minimum_password_length,
                        "RequireUppercase": True,
                        "RequireLowercase": True,
                        "RequireNumbers": True,
                        "RequireSymbols": pool.password_symbols,
                    }
                },
                "UsernameConfiguration": {"CaseSensitive": False},
            },
        },
        **{_client_id(pool, client): _client(pool, client) for client in pool.clients},
        **servers,
        **{_client_id(pool, machine): _machine(pool, machine, after=list(servers)) for machine in pool.machines},
    }
    if pool.domain is not None:
        resources[logical_id(pool.name, "Domain")] = {
            "Type": "AWS::Cognito::UserPoolDomain",
            "Properties": {"Domain": pool.domain, "UserPoolId": {"Ref": _pool_id(pool)}},
        }
    return resources


def user_pool_outputs(pool: UserPool, *, sole: bool) -> Template:
    """What a client needs to know of the pool. `sole`: the app has no other, so the names need no prefix."""
    prefix = "" if sole else logical_id(pool.name)
    outputs: Template = {f"{prefix}UserPoolId": {"Value": {"Ref": _pool_id(pool)}}}
    for client in pool.clients:
        name = f"{prefix}UserPoolClientId" if len(pool.clients) == 1 else f"{prefix}{logical_id(client.name)}ClientId"
        outputs[name] = {"Value": {"Ref": _client_id(pool, client)}}
    for machine in pool.machines:
        made = _client_id(pool, machine)
        outputs[f"{prefix}{logical_id(machine.name)}ClientId"] = {"Value": {"Ref": made}}
    if pool.domain is not None:
        outputs[f"{prefix}UserPoolDomain"] = {"Value": {"Ref": logical_id(pool.name, "Domain")}}
    return outputs


def _client(pool: UserPool, client: AppClient) -> Template:
    return {
        "Type": "AWS::Cognito::UserPoolClient",
        "Properties": {
            "ClientName": client.name,
            "UserPoolId": {"Ref": _pool_id(pool)},
            "GenerateSecret": False,
            "ExplicitAuthFlows": list(client.auth_flows),
            "PreventUserExistenceErrors": "ENABLED",
            "EnableTokenRevocation": True,
            "SupportedIdentityProviders": ["COGNITO"],
            "AllowedOAuthFlowsUserPoolClient": True,
            "AllowedOAuthFlows": ["code"],
            "AllowedOAuthScopes": list(client.scopes),
            "CallbackURLs": list(client.callback_urls) or {"Ref": "SiteUrls"},
            "LogoutURLs": list(client.logout_urls) or {"Ref": "SiteUrls"},
        },
    }


def _resource_server(pool: UserPool, server: ResourceServer) -> Template:
    return {
        "Type": "AWS::Cognito::UserPoolResourceServer",
        "Properties": {
            "UserPoolId": {"Ref": _pool_id(pool)},
            "Identifier": server.identifier,
            # A name takes no colon and no slash, as identifiers that are URLs have them.
            "Name": re.sub(r"[^\w+=,.@-]+", "-", server.identifier).strip("-")[:256],
            "Scopes": [
                {"ScopeName": name, "ScopeDescription": description} for name, description in server.scopes.items()
            ],
        },
    }


def _machine(pool: UserPool, machine: MachineClient, *, after: list[str]) -> Template:
    return {
        "Type": "AWS::Cognito::UserPoolClient",
        "DependsOn": after,  # a client is made with scopes that are there
        "Properties": {
            "ClientName": machine.name,
            "UserPoolId": {"Ref": _pool_id(pool)},
            "GenerateSecret": True,
            "AllowedOAuthFlowsUserPoolClient": True,
            "AllowedOAuthFlows": ["client_credentials"],
            "AllowedOAuthScopes": list(machine.scopes),
        },
    }


def _pool_id(pool: UserPool) -> str:
    return logical_id(pool.name, "UserPool")


def _client_id(pool: UserPool, client: AppClient | MachineClient) -> str:
    return logical_id(f"{pool.name}-{client.name}", "Client")
