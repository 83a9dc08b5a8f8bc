"""The one place where an OAuth error becomes an answer. Only one with a return address is redirected to it."""

from urllib.parse import urlencode

from velvetrope.edge.hosted import pages
from velvetrope.edge.hosted.addresses import HostedAddress
from velvetrope.edge.hosted.context import PAGE_ERROR_TEXT
from velvetrope.edge.hosted.pages import Dress
from velvetrope.edge.hosted.requests import HostedRequest
from velvetrope.edge.hosted.responses import HostedResponse, json_response, redirect_response
from velvetrope.edge.hosted.table import EndpointKind
from velvetrope.oauth import InvalidClient, OAuthError, Parameters, RedirectMismatch

__all__ = ["render_not_found", "render_refusal"]


def render_refusal(
    refusal: OAuthError, request: HostedRequest, address: HostedAddress, kind: EndpointKind, dress: Dress
) -> HostedResponse:
    """JSON for apps; for people a redirect where one is proven to be safe, or our own page."""
    if kind != "page":
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
        text=refusal.description or PAGE_ERROR_TEXT,
        request_id=request.request_id,
        dress=dress,
    )


def render_not_found(request: HostedRequest, kind: EndpointKind, dress: Dress) -> HostedResponse:
    """No pool, or no endpoint, answers here."""
    text = "No user pool answers at this address. When several have a domain, the path begins with it."
    if kind == "page":
        return pages.error_page(status=404, code="not_found", text=text, request_id=request.request_id, dress=dress)
    return json_response(404, {"error": "invalid_request", "error_description": text})


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
