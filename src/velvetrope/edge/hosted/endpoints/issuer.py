"""What a pool publishes under its issuer: discovery and keys."""

from velvetrope.edge.hosted.addresses import is_aws_host, is_issuer_host
from velvetrope.edge.hosted.context import HostedContext
from velvetrope.edge.hosted.responses import HostedResponse, json_response
from velvetrope.edge.hosted.table import Arrived, Endpoint
from velvetrope.hosted_ui import EndpointUrls, discovery_document

__all__ = ["IssuerDocuments"]

_KEPT_SECONDS = 300


class IssuerDocuments:
    """`ISSUER/.well-known/…`."""

    def __init__(self, context: HostedContext) -> None:
        self._context = context

    def rows(self) -> dict[str, Endpoint]:
        return {
            "/.well-known/openid-configuration": Endpoint(
                "document", {"GET": self._discovery, "HEAD": self._discovery}
            ),
            "/.well-known/jwks.json": Endpoint("document", {"GET": self._jwks, "HEAD": self._jwks}),
        }

    async def _discovery(self, arrived: Arrived) -> HostedResponse:
        issuer = self._context.directory.issuer(arrived.pool)
        names_issuer = self._context.public_origin is not None
        document = discovery_document(issuer, self._endpoint_urls(arrived), names_issuer=names_issuer)
        return _cached(json_response(200, document))

    async def _jwks(self, arrived: Arrived) -> HostedResponse:
        return _cached(json_response(200, await self._context.directory.jwks(arrived.pool)))

    def _endpoint_urls(self, arrived: Arrived) -> EndpointUrls:
        """Where the endpoints are for who asks: under the public URL, AWS's names, or the address they used."""
        request, pool, public_origin = arrived.request, arrived.pool, self._context.public_origin
        if is_issuer_host(request.host) or is_aws_host(request.host):
            here = f"{request.scheme}://{request.authority}"
            base = None if pool.domain_host is None else f"https://{pool.domain_host}"
            return EndpointUrls(f"{here}/{pool.id}/.well-known/jwks.json", base, base)
        api_origin = public_origin or f"{request.scheme}://{request.authority}"
        pages_origin = public_origin or f"https://{request.authority}"
        if pool.has_custom_domain:
            # By that name alone the pages are found; the port is the one that was used to ask by it.
            own = f"https://{request.authority if request.host.lower() == pool.domain else pool.domain}"
            return EndpointUrls(f"{api_origin}/{pool.id}/.well-known/jwks.json", own, own)
        return EndpointUrls(
            jwks=f"{api_origin}/{pool.id}/.well-known/jwks.json",
            pages_base=None if pool.domain is None else f"{pages_origin}/{pool.domain}",
            api_base=None if pool.domain is None else f"{api_origin}/{pool.domain}",
        )


def _cached(response: HostedResponse) -> HostedResponse:
    """Verifiers may keep it for a while: a new key is published before it signs, and an old one outlives its tokens."""
    response.max_age_seconds = _KEPT_SECONDS
    return response
