"""Authorizers of HTTP APIs: JWT, by an issuer's keys, and REQUEST, by a function.

A REQUEST authorizer's results are cached for as long as its author says, and not at all if nobody says so (the first
version's default of five minutes is not this one's; UNVERIFIED where a client leaves it out). Roles for invoking the
function are refused by name: the function's resource policy says who may invoke it.

Source: API Gateway API reference (version 2), CreateAuthorizer; Developer Guide, "Control access to HTTP APIs with JWT
authorizers", "Control access to HTTP APIs with AWS Lambda authorizers".
"""

import msgspec

from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authoring import find_authorizer, with_authorizer, without_authorizer
from velvetrope.apigatewayv2.errors import BadRequestException, NotSupported
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigatewayv2 import HttpApi, HttpAuthorizer

__all__ = ["AuthorizerOperations", "JwtConfiguration"]


class JwtConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens, and for whom."""

    audience: tuple[str, ...] = ()
    issuer: str | None = None


class AuthorizerOperations:
    """CreateAuthorizer, GetAuthorizer(s), UpdateAuthorizer, DeleteAuthorizer."""

    def __init__(self, authored: AuthoredApis) -> None:
        self._authored = authored

    @operation
    async def create_authorizer(
        self,
        call: Call,
        *,
        api_id: str,
        name: str,
        authorizer_type: str,
        identity_source: tuple[str, ...] = (),
        jwt_configuration: JwtConfiguration | None = None,
        authorizer_uri: str | None = None,
        authorizer_credentials_arn: str | None = None,
        authorizer_payload_format_version: str | None = None,
        authorizer_result_ttl_in_seconds: int = 0,
        enable_simple_responses: bool = False,
    ) -> Answer:
        _check_no_role(authorizer_credentials_arn)
        if authorizer_type not in {"JWT", "REQUEST"}:
            raise BadRequestException(f"Invalid authorizer type specified: {authorizer_type}")
        authorizer = HttpAuthorizer(
            id=self._authored.new_id(6),
            name=name,
            type=authorizer_type,
            identity_source=tuple(identity_source),
            issuer=None if jwt_configuration is None else jwt_configuration.issuer,
            audience=() if jwt_configuration is None else jwt_configuration.audience,
            uri=authorizer_uri,
            payload_format_version=authorizer_payload_format_version,
            result_ttl_in_seconds=authorizer_result_ttl_in_seconds,
            enable_simple_responses=enable_simple_responses,
        )
        await self._authored.change(call, api_id, lambda api: with_authorizer(api, authorizer))
        return _render(authorizer)

    @operation
    async def get_authorizer(self, call: Call, *, api_id: str, authorizer_id: str) -> Answer:
        return _render(find_authorizer(await self._authored.load(call, api_id), authorizer_id))

    @operation
    async def get_authorizers(
        self, call: Call, *, api_id: str, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        api = await self._authored.load(call, api_id)
        items, following = page_of(list(api.authorizers.values()), next_token, max_results)
        return {"items": [_render(authorizer) for authorizer in items], "next_token": following}

    @operation
    async def update_authorizer(
        self,
        call: Call,
        *,
        api_id: str,
        authorizer_id: str,
        name: str | None = None,
        authorizer_type: str | None = None,
        identity_source: tuple[str, ...] | None = None,
        jwt_configuration: JwtConfiguration | None = None,
        authorizer_uri: str | None = None,
        authorizer_credentials_arn: str | None = None,
        authorizer_payload_format_version: str | None = None,
        authorizer_result_ttl_in_seconds: int | None = None,
        enable_simple_responses: bool | None = None,
    ) -> Answer:
        _check_no_role(authorizer_credentials_arn)
        given = {
            "name": name,
            "identity_source": identity_source,
            "issuer": None if jwt_configuration is None else jwt_configuration.issuer,
            "audience": None if jwt_configuration is None else jwt_configuration.audience,
            "uri": authorizer_uri,
            "payload_format_version": authorizer_payload_format_version,
            "result_ttl_in_seconds": authorizer_result_ttl_in_seconds,
            "enable_simple_responses": enable_simple_responses,
        }

        def change(api: HttpApi) -> HttpApi:
            present = find_authorizer(api, authorizer_id)
            if authorizer_type not in {None, present.type}:
                raise BadRequestException("The type of an authorizer cannot be changed")
            said = {member: value for member, value in given.items() if value is not None}
            return with_authorizer(api, msgspec.structs.replace(present, **said))

        return _render(find_authorizer(await self._authored.change(call, api_id, change), authorizer_id))

    @operation
    async def delete_authorizer(self, call: Call, *, api_id: str, authorizer_id: str) -> None:
        await self._authored.change(call, api_id, lambda api: without_authorizer(api, authorizer_id))


def _check_no_role(credentials_arn: str | None) -> None:
    if credentials_arn:
        raise NotSupported("AuthorizerCredentialsArn", "the function's resource policy says who may invoke it")


def _render(authorizer: HttpAuthorizer) -> dict[str, object]:
    rendered: dict[str, object] = {
        "authorizer_id": authorizer.id,
        "authorizer_type": authorizer.type,
        "name": authorizer.name,
        "identity_source": list(authorizer.identity_source),
    }
    if authorizer.type == "JWT":
        return rendered | {"jwt_configuration": {"issuer": authorizer.issuer, "audience": list(authorizer.audience)}}
    return rendered | {
        "authorizer_uri": authorizer.uri,
        "authorizer_payload_format_version": authorizer.payload_format_version,
        "authorizer_result_ttl_in_seconds": authorizer.result_ttl_in_seconds,
        "enable_simple_responses": authorizer.enable_simple_responses,
    }
