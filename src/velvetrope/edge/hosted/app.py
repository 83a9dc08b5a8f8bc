"""The hosted UI as an ASGI application: one table of endpoints, one place where errors become answers.

A request passes these gates in order: find out which endpoint and pool its URL means; answer preflights; check the
method; check the scheme; find the pool; then the endpoint. Pages are https only: a page that is asked for over http is
redirected to the same host and port, which speaks both, and a form that was posted over http is refused unread, since
sending it on would hide that a password has crossed the network in the clear. The endpoints that apps call may be http
from this machine to itself, where certificates of our own making are in the way, and nowhere else.

Strict-Transport-Security is sent where the name is known to be meant for https: AWS's own domain names, and the host of
the configured public URL. Never on loopback names, where it would break http on every other port, nor on a name that we
know nothing about.

CORS is `*` on what apps call, as on AWS; pages have none.

Source: hosted-ui reference, sections 1 to 10.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlencode, urlsplit

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions import DecisionRecord, DecisionStep
from velvetrope.edge.hosted import cookies, pages
from velvetrope.edge.hosted.addresses import (
    HostedAddress,
    is_aws_host,
    is_issuer_host,
    is_loopback_host,
    parse_host,
    parse_hosted_address,
)
from velvetrope.edge.hosted.requests import BodyTooLarge, HostedRequest, Receive, Scope, Send, read_request
from velvetrope.edge.hosted.responses import HostedResponse, json_response, redirect_response
from velvetrope.hosted_ui import (
    SESSION_LIFETIME,
    Credentials,
    EndpointUrls,
    HostedUi,
    LoginForm,
    RedirectTo,
    SignedOutHere,
    SignInRefused,
    UserDirectory,
    discovery_document,
)
from velvetrope.identifiers import new_uuid
from velvetrope.oauth import (
    InvalidClient,
    OAuthError,
    Parameters,
    RedirectMismatch,
    ServerError,
)
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools import UserPool

__all__ = ["HostedPages"]

_log = logging.getLogger("velvetrope.hosted")

_FORM = "application/x-www-form-urlencoded"
_ALLOWED_HEADERS = "authorization, content-type, x-amz-user-agent"
_PREFLIGHT_MAX_AGE_SECONDS = 600
_PAGE_ERROR_TEXT = "An error was encountered with the requested page."
_FORM_NOT_OURS = (
    "This form could not be verified, so nothing was sent on. It may have been open for too long, or your browser "
    "blocked its cookie. Please try again."
)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A request that has passed the gates, and the pool that it is about."""

    request: HostedRequest
    address: HostedAddress
    pool: UserPool

    @property
    def domain(self) -> str:
        return self.pool.domain or self.pool.id


class DecisionRecorder(Protocol):
    """Keeps decision records: `decisions.DecisionLog`."""

    def record(self, record: DecisionRecord, /) -> None: ...


Answer = Callable[[_Arrived], Awaitable[HostedResponse]]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A row of the table: what kind of answer it gives, and who gives it, by method."""

    kind: Literal["page", "api", "document"]
    by_method: dict[str, Answer]


class HostedPages:
    """Every endpoint of user pool domains, and each pool's discovery document and keys.

    `public_url` is the address that the world knows this server by (`https://auth.example.com`), None in development.
    """

    def __init__(
        self,
        directory: UserDirectory,
        store: HostedUiStore,
        clock: Clock,
        entropy: Entropy,
        *,
        public_url: str | None = None,
        recorder: DecisionRecorder | None = None,
    ) -> None:
        self._recorder = recorder
        self._directory = directory
        self._flows = HostedUi(directory, store, entropy)
        self._clock = clock
        self._entropy = entropy
        self._public_origin = None if public_url is None else _origin_of(public_url)
        self._endpoints = {
            "/oauth2/authorize": _Endpoint("page", {"GET": self._authorize}),
            "/login": _Endpoint("page", {"GET": self._login_page, "HEAD": self._login_page, "POST": self._sign_in}),
            "/logout": _Endpoint("page", {"GET": self._log_out}),
            "/error": _Endpoint("page", {"GET": self._error_page, "HEAD": self._error_page}),
            "/oauth2/token": _Endpoint("api", {"POST": self._token}),
            "/oauth2/userInfo": _Endpoint("api", {"GET": self._user_info, "POST": self._user_info}),
            "/oauth2/revoke": _Endpoint("api", {"POST": self._revoke}),
            "/.well-known/openid-configuration": _Endpoint(
                "document", {"GET": self._discovery, "HEAD": self._discovery}
            ),
            "/.well-known/jwks.json": _Endpoint("document", {"GET": self._jwks, "HEAD": self._jwks}),
        }

    def owns(self, path: str) -> bool:
        """Whether this (decoded) path is one of the hosted UI's on a host that has other things to serve too."""
        return parse_hosted_address("localhost", path) is not None

    def owns_host(self, host: str) -> bool:
        """Whether everything on this host (a Host header, with or without port) belongs to a user pool domain."""
        parsed = parse_host(host)
        return parsed is not None and is_aws_host(parsed[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, under the id that the edge gave it, if it did."""
        request_id = scope.get("state", {}).get("request_id") or new_uuid(self._entropy)
        try:
            request = await read_request(scope, receive, request_id=request_id, now=self._clock.now())
        except BodyTooLarge:
            await HostedResponse(413).send(send, request_id=request_id, with_body=True)
            return
        response = await self._answer(request)
        await response.send(send, request_id=request_id, with_body=request.method != "HEAD")

    # The gates, in order.

    async def _answer(self, request: HostedRequest) -> HostedResponse:
        address = parse_hosted_address(request.host, request.path)
        if address is None:
            return self._not_found(request, "page")
        endpoint = self._endpoints[address.endpoint]
        cors = endpoint.kind != "page"
        if cors and request.method == "OPTIONS":
            return _preflight(endpoint)
        response = await self._answer_endpoint(request, address, endpoint)
        if cors:
            response.headers += _cors_headers()
        if self._promises_https(request):
            response.headers.append(("strict-transport-security", "max-age=31536000"))
        return response

    async def _answer_endpoint(
        self, request: HostedRequest, address: HostedAddress, endpoint: _Endpoint
    ) -> HostedResponse:
        answer = endpoint.by_method.get(request.method)
        if answer is None:
            # Empty, as Cognito's own: a token request by GET gave 405 with nothing in it.
            return HostedResponse(405, b"", [("allow", ", ".join(endpoint.by_method))])
        if request.scheme != "https":
            refusal = self._refuse_plain_http(request, endpoint)
            if refusal is not None:
                return refusal
        try:
            pool = await self._find_pool(address)
            if pool is None:
                return self._not_found(request, endpoint.kind)
            return await answer(_Arrived(request, address, pool))
        except OAuthError as refusal:
            return self._render(refusal, request, address, endpoint)
        except Exception:  # noqa: BLE001  the caller is told nothing but the request id, under which the log has the rest
            _log.exception("%s failed (request %s)", address.endpoint, request.request_id)
            return self._render(ServerError(), request, address, endpoint)

    def _refuse_plain_http(self, request: HostedRequest, endpoint: _Endpoint) -> HostedResponse | None:
        if endpoint.kind == "document" or (endpoint.kind == "api" and request.is_local):
            return None
        if endpoint.kind == "api":
            return json_response(400, {"error": "invalid_request", "error_description": "https is required"})
        if request.method == "POST":
            return pages.error_page(
                status=403, code="https_required", text=_PAGE_ERROR_TEXT, request_id=request.request_id
            )
        query = f"?{request.query}" if request.query else ""
        return redirect_response(f"https://{request.authority}{request.raw_path}{query}")

    async def _find_pool(self, address: HostedAddress) -> UserPool | None:
        match address.pool_by:
            case "only":
                return await self._directory.find_only_domain()
            case "domain":
                return await self._directory.find_pool_by_domain(address.pool)
            case "id":
                return await self._directory.find_pool(address.pool)

    # Pages.

    async def _authorize(self, arrived: _Arrived) -> HostedResponse:
        outcome = await self._flows.authorization.authorize(
            arrived.pool,
            Parameters.parse(arrived.request.query),
            session=cookies.session_of(arrived.request, arrived.domain),
            now=arrived.request.now,
        )
        if isinstance(outcome, RedirectTo):
            return redirect_response(outcome.uri)
        return redirect_response(f"{arrived.address.prefix}/login?{outcome.query}")

    async def _login_page(self, arrived: _Arrived) -> HostedResponse:
        form = await self._flows.authorization.login_page(arrived.pool, Parameters.parse(arrived.request.query))
        return self._login_form(arrived, form, status=200)

    async def _sign_in(self, arrived: _Arrived) -> HostedResponse:
        request = arrived.request
        parameters = Parameters.parse(request.query)
        if not _is_form(request):
            return HostedResponse(415)
        fields = Parameters.parse(request.body)
        if not cookies.form_is_ours(
            request, arrived.domain, fields.get("_csrf"), own_origins=self._own_origins(request)
        ):
            form = await self._flows.authorization.login_page(arrived.pool, parameters)
            self._record(request, arrived.address, 403, "CsrfMismatch", "the form does not carry this browser's token")
            return self._login_form(arrived, form, status=403, problem=_FORM_NOT_OURS)
        credentials = Credentials(fields.get("username") or "", Secret(fields.get("password") or ""))
        try:
            signed_in = await self._flows.authorization.sign_in(
                arrived.pool,
                parameters,
                credentials,
                earlier_session=cookies.session_of(request, arrived.domain),
                now=request.now,
            )
        except SignInRefused as refusal:
            self._record(request, arrived.address, 400, "SignInRefused", refusal.detail or refusal.message)
            return self._login_form(arrived, refusal.form, status=400, problem=refusal.message)
        response = redirect_response(signed_in.uri)
        max_age = int(SESSION_LIFETIME.total_seconds())
        response.headers += [
            (
                "set-cookie",
                cookies.render_session_cookie(request, arrived.domain, signed_in.session_id, max_age_seconds=max_age),
            ),
            self._new_csrf_cookie(arrived),  # what was known before the sign-in is worth nothing after it
        ]
        return response

    async def _log_out(self, arrived: _Arrived) -> HostedResponse:
        session = cookies.session_of(arrived.request, arrived.domain)
        forget = ("set-cookie", cookies.expired_session_cookie(arrived.request, arrived.domain))
        try:
            destination = await self._flows.logout.log_out(
                arrived.pool, Parameters.parse(arrived.request.query), session=session
            )
        except SignedOutHere as refusal:
            response = pages.signed_out_page(status=400, text=refusal.description or _PAGE_ERROR_TEXT)
        else:
            to_login = f"{arrived.address.prefix}/login?{destination.target}"
            response = redirect_response(destination.target if destination.kind == "app" else to_login)
        response.headers.append(forget)
        return response

    async def _error_page(self, arrived: _Arrived) -> HostedResponse:
        """What `/error` shows is ours: whoever wrote the link chooses among known codes and adds no words."""
        asked = Parameters.parse(arrived.request.query).get("error")
        code = "redirect_mismatch" if asked == "redirect_mismatch" else "invalid_request"
        _log.info("error page shown for %s (request %s)", code, arrived.request.request_id)
        return pages.error_page(
            status=400,
            code=code,
            text=_PAGE_ERROR_TEXT,
            request_id=arrived.request.request_id,
        )

    # What apps call.

    async def _token(self, arrived: _Arrived) -> HostedResponse:
        if not _is_form(arrived.request):
            return HostedResponse(405)  # Cognito's answer to a content type that it cannot read
        tokens = await self._flows.tokens.exchange(
            arrived.pool,
            Parameters.parse(arrived.request.body),
            authorization=arrived.request.header("authorization"),
            now=arrived.request.now,
        )
        members = {
            "id_token": tokens.id_token,
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_in": tokens.expires_in_seconds,
            "token_type": "Bearer",
        }
        return json_response(200, {name: value for name, value in members.items() if value is not None})

    async def _user_info(self, arrived: _Arrived) -> HostedResponse:
        info = await self._flows.userinfo.user_info(
            arrived.pool, authorization=arrived.request.header("authorization"), now=arrived.request.now
        )
        return json_response(200, info)

    async def _revoke(self, arrived: _Arrived) -> HostedResponse:
        if not _is_form(arrived.request):
            return HostedResponse(405)
        await self._flows.revocation.revoke(
            arrived.pool,
            Parameters.parse(arrived.request.body),
            authorization=arrived.request.header("authorization"),
            now=arrived.request.now,
        )
        return HostedResponse(200)

    # Documents.

    async def _discovery(self, arrived: _Arrived) -> HostedResponse:
        return json_response(
            200, discovery_document(self._directory.issuer(arrived.pool), self._endpoint_urls(arrived))
        )

    async def _jwks(self, arrived: _Arrived) -> HostedResponse:
        return json_response(200, await self._directory.jwks(arrived.pool))

    def _endpoint_urls(self, arrived: _Arrived) -> EndpointUrls:
        """Where the endpoints are for who asks: under the public URL, AWS's names, or the address they used."""
        request, pool = arrived.request, arrived.pool
        if is_issuer_host(request.host) or is_aws_host(request.host):
            here = f"{request.scheme}://{request.authority}"
            base = None if pool.domain is None else f"https://{pool.domain}.auth.{pool.region}.amazoncognito.com"
            return EndpointUrls(f"{here}/{pool.id}/.well-known/jwks.json", base, base)
        api_origin = self._public_origin or f"{request.scheme}://{request.authority}"
        pages_origin = self._public_origin or f"https://{request.authority}"
        return EndpointUrls(
            jwks=f"{api_origin}/{pool.id}/.well-known/jwks.json",
            pages_base=None if pool.domain is None else f"{pages_origin}/{pool.domain}",
            api_base=None if pool.domain is None else f"{api_origin}/{pool.domain}",
        )

    # Rendering.

    def _login_form(self, arrived: _Arrived, form: LoginForm, *, status: int, problem: str = "") -> HostedResponse:
        token = cookies.csrf_token_of(arrived.request, arrived.domain) or cookies.new_csrf_token(self._entropy)
        response = pages.login_page(
            status=status,
            action=f"{arrived.address.prefix}/login?{form.query}",
            redirect_uri=form.redirect_uri,
            username=form.username,
            csrf_token=token,
            problem=problem,
        )
        response.headers.append(("set-cookie", cookies.render_csrf_cookie(arrived.request, arrived.domain, token)))
        return response

    def _record(self, request: HostedRequest, address: HostedAddress, status: int, code: str, reason: str) -> None:
        """Leave a decision record: the owner is told why, whoever was refused is told what Cognito would say."""
        if self._recorder is None:
            return
        self._recorder.record(
            DecisionRecord(
                request_id=request.request_id,
                at=request.now,
                service="hosted-ui",
                action=f"hosted-ui:{address.endpoint}",
                resource=address.pool,
                method=request.method,
                path=request.path,
                source_ip=request.peer,
                principal_arn="",
                outcome="refused",
                status=status,
                code=code,
                steps=(DecisionStep(address.endpoint, "refused", reason),),
                duration_ms=(self._clock.now() - request.now).total_seconds() * 1000,
            )
        )

    def _new_csrf_cookie(self, arrived: _Arrived) -> tuple[str, str]:
        token = cookies.new_csrf_token(self._entropy)
        return "set-cookie", cookies.render_csrf_cookie(arrived.request, arrived.domain, token)

    def _render(
        self, refusal: OAuthError, request: HostedRequest, address: HostedAddress, endpoint: _Endpoint
    ) -> HostedResponse:
        """The one place where an OAuth error becomes an answer. Only one with a return address is redirected to it."""
        reason = refusal.detail or refusal.description or refusal.error
        self._record(request, address, refusal.http_status, refusal.error, reason)
        if endpoint.kind != "page":
            return _render_json(refusal, address.endpoint)
        members = {"error": refusal.error}
        if refusal.return_address is not None:
            if refusal.description:
                members = {"error_description": refusal.description, **members}
            return redirect_response(refusal.return_address.carrying(members))
        if isinstance(refusal, RedirectMismatch):
            members["client_id"] = Parameters.parse(request.query).get("client_id") or ""
            return redirect_response(f"{address.prefix}/error?{urlencode(members)}")
        return pages.error_page(
            status=refusal.http_status,
            code=refusal.error,
            text=refusal.description or _PAGE_ERROR_TEXT,
            request_id=request.request_id,
        )

    def _not_found(self, request: HostedRequest, kind: Literal["page", "api", "document"]) -> HostedResponse:
        text = "No user pool answers at this address. When several have a domain, the path begins with it."
        if kind == "page":
            return pages.error_page(status=404, code="not_found", text=text, request_id=request.request_id)
        return json_response(404, {"error": "invalid_request", "error_description": text})

    def _own_origins(self, request: HostedRequest) -> frozenset[str]:
        here = f"https://{request.authority}".lower()
        return frozenset({here, self._public_origin.lower()} if self._public_origin else {here})

    def _promises_https(self, request: HostedRequest) -> bool:
        if request.scheme != "https" or is_loopback_host(request.host):
            return False
        return is_aws_host(request.host) or f"https://{request.authority}" == self._public_origin


def _render_json(refusal: OAuthError, endpoint: str) -> HostedResponse:
    members = {"error": refusal.error}
    if refusal.description:
        members["error_description"] = refusal.description
    status = refusal.http_status
    if endpoint == "/oauth2/revoke" and isinstance(refusal, InvalidClient):
        status = 401  # the token endpoint says 400 to the same
    response = json_response(status, members)
    if endpoint == "/oauth2/userInfo":
        # AWS's form: no scheme, only the two members. Descriptions are ours, and hold no quotation mark.
        challenge = ", ".join(f'{name}="{value}"' for name, value in members.items())
        response.headers.append(("www-authenticate", challenge))
    return response


def _preflight(endpoint: _Endpoint) -> HostedResponse:
    return HostedResponse(
        200,
        b"",
        [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", ", ".join((*endpoint.by_method, "OPTIONS"))),
            ("access-control-allow-headers", _ALLOWED_HEADERS),
            ("access-control-max-age", str(_PREFLIGHT_MAX_AGE_SECONDS)),
        ],
    )


def _cors_headers() -> list[tuple[str, str]]:
    return [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "www-authenticate, x-amz-cognito-request-id"),
    ]


def _is_form(request: HostedRequest) -> bool:
    return (request.header("content-type") or "").partition(";")[0].strip().lower() == _FORM


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
