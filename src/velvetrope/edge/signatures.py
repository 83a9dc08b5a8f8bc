"""Who signed this request: the one place in the edge where a signature is proven.

Global services (iam, sts) are reached through one endpoint, so their clients sign for us-east-1 wherever we are; both
that and our own region are accepted for them. Every other scope must be this service in this region.
"""

from datetime import datetime

from velvetrope import sigv4
from velvetrope.principals import CredentialSource, Principal

__all__ = ["SignatureVerifier"]

_GLOBAL_REGION = "us-east-1"


class SignatureVerifier:
    """Proves signatures with the keys of one credential source."""

    def __init__(self, credentials: CredentialSource, *, region: str) -> None:
        self._credentials = credentials
        self._region = region

    async def verify(
        self, request: sigv4.SignedRequest, *, service: str, is_global: bool = False, now: datetime
    ) -> Principal:
        """The principal whose key signed `request` for `service`.

        Raises:
            velvetrope.sigv4.SignatureRefused: one of its kinds.
        """
        regions = (self._region, _GLOBAL_REGION) if is_global else (self._region,)
        scoped = sigv4.scope_request(request, service=service, regions=regions, now=now)
        found = await self._credentials.find_credentials(scoped.access_key_id, scoped.session_token, now)
        scoped.verify(found.secret_access_key, now=now)
        return found.principal
