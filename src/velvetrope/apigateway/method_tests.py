"""TestInvokeMethod and TestInvokeAuthorizer: what is under work is tried out before it is deployed.

The request lane runs it (`MethodTester`); here is what the API and the request are. Client certificates are refused by
name.

Source: API Gateway API reference, TestInvokeMethod, TestInvokeAuthorizer.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from velvetrope.apigateway.authored_apis import AuthoredApis
from velvetrope.apigateway.authoring import find_integration, find_resource
from velvetrope.apigateway.authorizers import find_authorizer
from velvetrope.apigateway.errors import BadRequestException
from velvetrope.apigateway.method_targets import MethodTargets
from velvetrope.errors import ReasonError
from velvetrope.operations import Answer, Call, operation
from velvetrope.principals import Principal
from velvetrope.store.tables.apigateway import ApiGatewayStore, RestApi

__all__ = ["MethodTestOperations", "MethodTester"]


class MethodTrial(Protocol):
    """What a caller would have got."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def log(self) -> str: ...
    @property
    def latency_ms(self) -> int: ...


class AuthorizerTrial(Protocol):
    """What an authorizer said; `status` is 0 if it let the caller in."""

    @property
    def status(self) -> int: ...
    @property
    def principal_id(self) -> str | None: ...
    @property
    def policy(self) -> str | None: ...
    @property
    def claims(self) -> Mapping[str, str]: ...
    @property
    def log(self) -> str: ...
    @property
    def latency_ms(self) -> int: ...


class MethodTester(Protocol):
    """The request lane, as far as trials are concerned. A path that is not the method's is a `ReasonError`."""

    async def run_method(
        self,
        api: RestApi,
        resource_id: str,
        http_method: str,
        *,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        stage_variables: Mapping[str, str],
        caller: Principal,
        now: datetime,
    ) -> MethodTrial: ...

    async def ask_authorizer(
        self,
        api: RestApi,
        authorizer_id: str,
        *,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        stage_variables: Mapping[str, str],
        now: datetime,
    ) -> AuthorizerTrial: ...


class MethodTestOperations:
    """TestInvokeMethod, TestInvokeAuthorizer."""

    def __init__(self, store: ApiGatewayStore, tester: MethodTester) -> None:
        self._apis = AuthoredApis(store)
        self._methods = MethodTargets(store)
        self._tester = tester

    @operation
    async def test_invoke_method(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        path_with_query_string: str | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        multi_value_headers: Mapping[str, Sequence[str]] | None = None,
        stage_variables: Mapping[str, str] | None = None,
    ) -> Answer:
        api = await self._methods.load(call, rest_api_id)
        find_integration(api, resource_id, http_method)
        path, query = _path_and_query(path_with_query_string or find_resource(api, resource_id).path)
        try:
            trial = await self._tester.run_method(
                api,
                resource_id,
                http_method,
                path=path,
                query=query,
                headers=_headers(headers, multi_value_headers),
                body=(body or "").encode(),
                stage_variables=stage_variables or {},
                caller=call.principal,
                now=call.now,
            )
        except ReasonError as finding:
            raise BadRequestException(f"Invalid path specified: {finding.message}") from finding
        several: dict[str, list[str]] = {}
        for name, value in trial.headers:
            several.setdefault(name, []).append(value)
        return {
            "status": trial.status,
            "body": trial.body.decode("utf-8", "replace"),
            "headers": {name: values[-1] for name, values in several.items()},
            "multi_value_headers": several,
            "log": trial.log,
            "latency": trial.latency_ms,
        }

    @operation
    async def test_invoke_authorizer(
        self,
        call: Call,
        *,
        rest_api_id: str,
        authorizer_id: str,
        headers: Mapping[str, str] | None = None,
        multi_value_headers: Mapping[str, Sequence[str]] | None = None,
        path_with_query_string: str | None = None,
        body: str | None = None,
        stage_variables: Mapping[str, str] | None = None,
    ) -> Answer:
        api = await self._apis.load(call, rest_api_id)
        find_authorizer(api, authorizer_id)
        path, query = _path_and_query(path_with_query_string or "/")
        trial = await self._tester.ask_authorizer(
            api,
            authorizer_id,
            path=path,
            query=query,
            headers=_headers(headers, multi_value_headers),
            body=(body or "").encode(),
            stage_variables=stage_variables or {},
            now=call.now,
        )
        return {
            "client_status": trial.status,
            "principal_id": trial.principal_id,
            "policy": trial.policy,
            "claims": dict(trial.claims) or None,
            "log": trial.log,
            "latency": trial.latency_ms,
        }


def _path_and_query(given: str) -> tuple[str, str]:
    path, _, query = given.partition("?")
    if not path.startswith("/"):
        raise BadRequestException(f"Invalid path specified: {path}")
    return quote(path, safe="/%{}+~!$&'()*,;=:@"), quote(query, safe="/%?+~!$&'()*,;=:@")


def _headers(one: Mapping[str, str] | None, several: Mapping[str, Sequence[str]] | None) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, value in (one or {}).items() if name not in (several or {})]
    pairs += [(name, value) for name, values in (several or {}).items() for value in values]
    for name, value in pairs:
        if not name.isascii() or not name.isprintable() or any(c in value for c in "\r\n\0"):
            raise BadRequestException(f"Invalid header specified: {name}")
    return pairs
