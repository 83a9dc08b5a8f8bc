"""The hosted UI as an ASGI application: the gates that every request passes before an endpoint sees it.

A request passes these gates in order: find out which endpoint and pool its URL means; answer preflights; check the
method; check the scheme; find the pool; then the endpoint (`endpoints`), whose refusals become answers in `refusals`.
Pages are https only: a page that is asked for over http is
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
from urllib.parse import urlsplit

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions import Recorder
from velvetrope.edge.asgi import Receive, Scope, Send
from velvetrope.edge.bodies import BodyTooLarge, ClientGone
from velvetrope.edge.hosted import pages
from velvetrope.edge.hosted.addresses import (
    HostedAddress,
    HostedAddresses,
    is_aws_host,
    is_loopback_host,
    parse_host,
)
from velvetrope.edge.hosted.context import PAGE_ERROR_TEXT, HostedContext
from velvetrope.edge.hosted.dressing import Dressing, LookSource
from velvetrope.edge.hosted.endpoints import endpoint_table
from velvetrope.edge.hosted.refusals import render_not_found, render_refusal
from velvetrope.edge.hosted.requests import HostedRequest, read_request
from velvetrope.edge.hosted.responses import HostedResponse, json_response, redirect_response
from velvetrope.edge.hosted.table import Arrived, Endpoint, EndpointKind
from velvetrope.edge.hosted.terms_links import TermsSource
from velvetrope.hosted_ui import AccountDirectory, HostedUi, ProviderParts, UserDirectory
from velvetrope.identifiers import new_uuid
from velvetrope.oauth import OAuthError, ServerError
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools import UserPool

__all__ = ["HostedPages"]

_log = logging.getLogger("velvetrope.hosted")

_ALLOWED_HEADERS = "authorization, content-type, x-amz-user-agent"
_PREFLIGHT_MAX_AGE_SECONDS = 600


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
        providers: ProviderParts | None = None,
        recorder: Recorder | None = None,
        accounts: AccountDirectory | None = None,
        looks: LookSource | None = None,
        terms: TermsSource | None = None,
    ) -> None:
        """Without `accounts` there are no pages for sign-up and forgotten passwords; without `looks` all are ours.

        Without `terms` no page has links to any.
        """
        self._context = HostedContext(
            directory=directory,
            flows=HostedUi(
                directory,
                store,
                entropy,
                providers=providers,
                names_issuer=public_url is not None,
                accounts=accounts,
            ),
            dressing=Dressing(looks),
            terms=terms,
            clock=clock,
            entropy=entropy,
            recorder=recorder,
            public_origin=None if public_url is None else _origin_of(public_url),
        )
        self._table = endpoint_table(self._context)
        self._addresses = HostedAddresses(self._table.on_a_domain, self._table.on_the_issuer)

    @property
    def paths(self) -> frozenset[str]:
        """Every path below a user pool domain."""
        return self._table.on_a_domain

    def owns(self, path: str) -> bool:
        """Whether this (decoded) path is one of the hosted UI's on a host that has other things to serve too."""
        return self._addresses.parse("localhost", path) is not None

    def owns_host(self, host: str) -> bool:
        """Whether everything on this host (a Host header, with or without port) belongs to a user pool domain."""
        parsed = parse_host(host)
        return parsed is not None and is_aws_host(parsed[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, under the id that the edge gave it, if it did."""
        request_id = scope.get("state", {}).get("request_id") or new_uuid(self._context.entropy)
        try:
            request = await read_request(
                scope,
                receive,
                request_id=request_id,
                now=self._context.clock.now(),
                public_origin=self._context.public_origin,
                max_body_bytes=self._table.max_body_bytes(scope["path"]),
            )
        except BodyTooLarge:
            await HostedResponse(413).send(send, request_id=request_id, with_body=True)
            return
        except ClientGone:
            return
        response = await self._answer(request)
        await response.send(send, request_id=request_id, with_body=request.method != "HEAD")

    # The gates, in order.

    async def _answer(self, request: HostedRequest) -> HostedResponse:
        address = self._addresses.parse(request.host, request.path)
        if address is None:
            return render_not_found(request, "page", await self._context.dressing.dress(request))
        endpoint = self._table.find(address.endpoint)
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
        self, request: HostedRequest, address: HostedAddress, endpoint: Endpoint
    ) -> HostedResponse:
        answer = endpoint.by_method.get(request.method)
        if answer is None:
            reason = f"{request.method} is not answered here; {', '.join(endpoint.by_method)} is"
            self._context.record(request, address, 405, "MethodNotAllowed", reason)
            # Empty, as Cognito's own: a token request by GET gave 405 with nothing in it.
            return HostedResponse(405, b"", [("allow", ", ".join(endpoint.by_method))])
        if request.scheme != "https":
            refusal = await self._refuse_plain_http(request, endpoint.kind)
            if refusal is not None:
                return refusal
        try:
            pool = await self._find_pool(request, address)
            if pool is None:
                return render_not_found(request, endpoint.kind, await self._context.dressing.dress(request))
            return await answer(Arrived(request, address, pool))
        except OAuthError as refused:
            return await self._refuse(refused, request, address, endpoint.kind)
        except Exception:  # noqa: BLE001  the caller is told nothing but the request id, under which the log has the rest
            _log.exception("%s failed (request %s)", address.endpoint, request.request_id)
            return await self._refuse(ServerError(), request, address, endpoint.kind)

    async def _refuse_plain_http(self, request: HostedRequest, kind: EndpointKind) -> HostedResponse | None:
        if kind == "document" or (kind == "api" and request.is_local):
            return None
        if kind == "api":
            return json_response(400, {"error": "invalid_request", "error_description": "https is required"})
        if request.method == "POST":
            dress = await self._context.dressing.dress(request)
            return pages.error_page(
                status=403, code="https_required", text=PAGE_ERROR_TEXT, request_id=request.request_id, dress=dress
            )
        query = f"?{request.query}" if request.query else ""
        return redirect_response(f"https://{request.authority}{request.raw_path}{query}")

    async def _find_pool(self, request: HostedRequest, address: HostedAddress) -> UserPool | None:
        directory = self._context.directory
        match address.pool_by:
            case "only":
                # A domain name of a pool's own, or else whatever pool is the only one.
                named = await directory.find_pool_by_domain(request.host.lower()) if "." in request.host else None
                return await directory.find_only_domain() if named is None else named
            case "domain":
                return await directory.find_pool_by_domain(address.pool)
            case "id":
                return await directory.find_pool(address.pool)

    async def _refuse(
        self, refusal: OAuthError, request: HostedRequest, address: HostedAddress, kind: EndpointKind
    ) -> HostedResponse:
        reason = refusal.detail or refusal.description or refusal.error
        self._context.record(request, address, refusal.http_status, refusal.error, reason)
        return render_refusal(refusal, request, address, kind, await self._context.dressing.dress(request))

    def _promises_https(self, request: HostedRequest) -> bool:
        if request.scheme != "https" or is_loopback_host(request.host):
            return False
        return is_aws_host(request.host) or f"https://{request.authority}" == self._context.public_origin


def _preflight(endpoint: Endpoint) -> HostedResponse:
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


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
