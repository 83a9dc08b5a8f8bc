"""An API: routes by decorator, who may call them, and how often.

The same object is two things. On the developer's machine it is a declaration that `velvetrope synth` reads. Inside a
function it is the handler (`Handler: app.api`): Powertools' `APIGatewayRestResolver` makes a request of API Gateway's
proxy event and an answer of what a route returns. It is imported in functions only, so that synth stays quick.

Refusing callers is not done here: signatures, policies, keys and throttles are API Gateway's, before a function runs.
So nobody looks for the route a second time either. The one that runs is the one that API Gateway matched, whose door
the caller has passed (`resource` of the event), whatever else the path would fit.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, cast

from velvetrope.builder.authorizers import Authorizer, Decide
from velvetrope.builder.declared import check_handler, check_kind, listed
from velvetrope.builder.pools import IdentityPoolRole, UserPool
from velvetrope.builder.services import Usable

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
    from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = ["CORS_ALLOW_HEADERS", "Access", "Api", "AuthorizationType", "Route", "UsagePlan"]

AuthorizationType = Literal["NONE", "AWS_IAM", "COGNITO_USER_POOLS", "CUSTOM"]
Handler = TypeVar("Handler", bound=Callable[..., Any])

CORS_ALLOW_HEADERS = (
    "Content-Type",
    "X-Amz-Date",
    "Authorization",
    "X-Api-Key",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
    "X-Amz-User-Agent",
)
"""What a browser may send: API Gateway's own list, and what Amplify 6 adds to it."""

_MAX_CACHE_SECONDS = 3600
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s'\"]+")
_PATH = re.compile(r"/|(/[A-Za-z0-9._:-]+|/\{[A-Za-z_]\w*\})*(/\{[A-Za-z_]\w*\+\})?", re.ASCII)
_VARIABLE = re.compile(r"\{(\w+)\+?\}", re.ASCII)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


class Access(TypedDict, total=False):
    """Who may call a route: the keywords of `Api.route`."""

    authorization_type: AuthorizationType
    api_key_required: bool
    allow: Sequence[IdentityPoolRole]
    user_pool: UserPool
    scopes: Sequence[str]
    authorizer: Authorizer


@dataclass(frozen=True, eq=False)
class Route:
    """One method on one path, and who may call it."""

    method: str
    path: str
    authorization_type: AuthorizationType
    api_key_required: bool
    allow: tuple[IdentityPoolRole, ...]
    user_pool: UserPool | None
    scopes: tuple[str, ...]
    authorizer: Authorizer | None
    handler: Callable[..., Any]


@dataclass(eq=False)
class UsagePlan:
    """How much the holders of the plan's keys may call. Rates are per key; the quota is per calendar day in UTC."""

    name: str
    rate_per_second: float
    burst_requests: int
    quota_per_day: int | None
    keys: list[str] = field(default_factory=list)


class Api:
    """A REST API in front of one function that holds all of its routes.

    `stage` is the first segment of every address. `memory_mb` is 128 to 10240, `timeout_seconds` 1 to 29 (API Gateway
    waits no longer). `allow_origin` is the `Access-Control-Allow-Origin` of every answer; None means no CORS at all.
    Bodies of `binary_media_types` (`image/png`) are bytes to callers and base64 in events and answers.
    `uses` are the functions, queues and databases that the routes may use (see `services`).
    """

    def __init__(
        self,
        name: str,
        *,
        stage: str = "latest",
        memory_mb: int = 128,
        timeout_seconds: int = 10,
        allow_origin: str | None = "*",
        binary_media_types: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        uses: Sequence[Usable] = (),
    ) -> None:
        if not 128 <= memory_mb <= 10240:
            raise ValueError("memory_mb is 128 to 10240")
        if not 1 <= timeout_seconds <= 29:
            raise ValueError("timeout_seconds is 1 to 29: API Gateway waits 29 seconds at the most")
        if allow_origin is not None and not _ORIGIN.fullmatch(str(allow_origin)):
            raise ValueError("allow_origin is * or one origin such as https://app.example.com, without a path")
        if "*/*" in binary_media_types and allow_origin is not None:
            # https://github.com/aws/serverless-application-model/issues/553
            raise ValueError("with */* among binary_media_types AWS answers preflights with 500: name the types")
        self.name = name
        self.stage = stage
        self.memory_mb = memory_mb
        self.timeout_seconds = timeout_seconds
        self.allow_origin = allow_origin
        self.binary_media_types = listed("binary_media_types", binary_media_types)
        self.environment = dict(environment or {})
        self.uses = listed("uses", uses, Usable)
        self.routes: list[Route] = []
        self.usage_plans: list[UsagePlan] = []
        # In a function everything is made in the init phase, so that the first call finds it warm.
        self._resolver = self._make_resolver() if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else None

    def usage_plan(
        self,
        name: str,
        *,
        rate_per_second: float,
        burst_requests: int,
        quota_per_day: int | None = None,
        keys: Sequence[str] = ("default",),
    ) -> UsagePlan:
        """Declare a usage plan and its API keys (names; the values are made when the template is applied)."""
        plan = UsagePlan(name, rate_per_second, burst_requests, quota_per_day, list(listed("keys", keys)))
        self.usage_plans.append(plan)
        return plan

    def token_authorizer(
        self, *, header: str = "Authorization", validation_expression: str | None = None, cache_seconds: int = 0
    ) -> Callable[[Decide], Authorizer]:
        """Make a function of the app the judge of a token in `header`.

        Without the header, or with a value that does not match the regular expression, callers are refused with 401
        and the function is not asked. `cache_seconds` is 0 to 3600.
        """
        _check_cache(cache_seconds)
        return lambda decide: Authorizer("TOKEN", decide, (header,), (), validation_expression, cache_seconds)

    def request_authorizer(
        self, *, headers: Sequence[str] = (), query_strings: Sequence[str] = (), cache_seconds: int = 0
    ) -> Callable[[Decide], Authorizer]:
        """Make a function of the app the judge of a whole request.

        A caller who lacks one of `headers` or `query_strings` is refused with 401 and the function is not asked.

        Raises:
            ValueError: answers are to be kept, and there is nothing to tell callers apart by.
        """
        _check_cache(cache_seconds)
        if cache_seconds and not (headers or query_strings):
            raise ValueError("cache_seconds needs headers or query_strings: an answer is kept for who sends the same")
        header_names, query_names = listed("headers", headers), listed("query_strings", query_strings)
        return lambda decide: Authorizer("REQUEST", decide, header_names, query_names, None, cache_seconds)

    def route(
        self,
        method: str,
        path: str,
        *,
        authorization_type: AuthorizationType = "NONE",
        api_key_required: bool = False,
        allow: Sequence[IdentityPoolRole] = (),
        user_pool: UserPool | None = None,
        scopes: Sequence[str] = (),
        authorizer: Authorizer | None = None,
    ) -> Callable[[Handler], Handler]:
        """Answer `method` on `path`; `{name}` in the path is passed to the function as a keyword.

        With `AWS_IAM`, callers sign their requests, and the roles in `allow` get a policy for exactly this method. With
        `COGNITO_USER_POOLS`, callers send a token of `user_pool` in `Authorization`: an ID token, or with `scopes` an
        access token that has one of them. With `CUSTOM`, `authorizer` decides.

        Raises:
            ValueError: an unknown method or authorization type, a path without a leading `/`, a route declared twice,
                or a keyword that the authorization type has no use for, or lacks (nobody would be checked by it).
        """
        verb = method.upper()
        if verb not in _METHODS:
            raise ValueError(f"{method} {path}: the method must be one of {', '.join(_METHODS)}")
        if not path.startswith("/"):
            raise ValueError(f"{method} {path}: a path starts with /")
        if not _PATH.fullmatch(path):
            raise ValueError(
                f"{method} {path}: each part of a path is letters, digits and ._:- or {{name}}, the last may be {{x+}}"
            )
        names = _VARIABLE.findall(path)
        if len(set(names)) < len(names):
            raise ValueError(f"{method} {path}: two variables have one name")
        if authorization_type not in ("NONE", "AWS_IAM", "COGNITO_USER_POOLS", "CUSTOM"):
            raise ValueError(
                f"{method} {path}: authorization_type must be NONE, AWS_IAM, COGNITO_USER_POOLS or CUSTOM, "
                f"not {authorization_type}"
            )
        check_kind("user_pool", user_pool, UserPool)
        check_kind("authorizer", authorizer, Authorizer)
        if allow and authorization_type != "AWS_IAM":
            raise ValueError(f"{method} {path}: allow names roles, which needs authorization_type AWS_IAM")
        if (user_pool is not None) != (authorization_type == "COGNITO_USER_POOLS"):
            raise ValueError(f"{method} {path}: user_pool and authorization_type COGNITO_USER_POOLS need each other")
        if scopes and user_pool is None:
            raise ValueError(f"{method} {path}: scopes are of a user pool's tokens, which needs user_pool")
        if (authorizer is not None) != (authorization_type == "CUSTOM"):
            raise ValueError(f"{method} {path}: authorizer and authorization_type CUSTOM need each other")
        if any(route.method == verb and route.path == path for route in self.routes):
            raise ValueError(f"{verb} {path} is declared twice")
        roles, wanted = listed("allow", allow, IdentityPoolRole), listed("scopes", scopes)

        def declare(handler: Handler) -> Handler:
            check_handler(f"{verb} {path}", handler, names)
            self.routes.append(
                Route(verb, path, authorization_type, api_key_required, roles, user_pool, wanted, authorizer, handler)
            )
            return handler

        return declare

    def get(self, path: str, **access: Unpack[Access]) -> Callable[[Handler], Handler]:
        """`route("GET", path, ...)`."""
        return self.route("GET", path, **access)

    def post(self, path: str, **access: Unpack[Access]) -> Callable[[Handler], Handler]:
        """`route("POST", path, ...)`."""
        return self.route("POST", path, **access)

    def put(self, path: str, **access: Unpack[Access]) -> Callable[[Handler], Handler]:
        """`route("PUT", path, ...)`."""
        return self.route("PUT", path, **access)

    def patch(self, path: str, **access: Unpack[Access]) -> Callable[[Handler], Handler]:
        """`route("PATCH", path, ...)`."""
        return self.route("PATCH", path, **access)

    def delete(self, path: str, **access: Unpack[Access]) -> Callable[[Handler], Handler]:
        """`route("DELETE", path, ...)`."""
        return self.route("DELETE", path, **access)

    @property
    def request(self) -> "APIGatewayProxyEvent":
        """The request being answered, Powertools' data class over API Gateway's event.

        Raises:
            RuntimeError: outside a function.
        """
        if self._resolver is None:
            raise RuntimeError("there is a request only while a function answers one")
        return self._resolver.current_event

    def __call__(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """The Lambda handler: API Gateway's proxy event in, its proxy response out."""
        if self._resolver is None:
            raise RuntimeError("an Api answers events inside a Lambda function only")
        return self._resolver.resolve(event, cast("LambdaContext", context))

    def _make_resolver(self) -> "APIGatewayRestResolver":
        from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig

        cors = None
        if self.allow_origin is not None:
            cors = CORSConfig(allow_origin=self.allow_origin, allow_headers=list(CORS_ALLOW_HEADERS))
        resolver = APIGatewayRestResolver(cors=cors)
        resolver.route(".*", method=list(_METHODS))(self._answer)
        return resolver

    def _answer(self) -> object:
        """What the route returns that API Gateway has matched."""
        handlers = {(route.method, route.path): route.handler for route in self.routes}
        handler = handlers[self.request.http_method, self.request.resource]
        return handler(**self.request.path_parameters)


def _check_cache(seconds: int) -> None:
    if not 0 <= seconds <= _MAX_CACHE_SECONDS:
        raise ValueError(f"cache_seconds is 0 to {_MAX_CACHE_SECONDS}")
