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
        presented = sigv4.parse_authorization(request, now=now)
        region = self._region
        if is_global and presented.region == _GLOBAL_REGION:
            region = _GLOBAL_REGION
        # Before the key is looked up, as on AWS: a foreign scope says nothing about which keys exist.
        sigv4.check_scope(presented, service=service, region=region)
        found = await self._credentials.find_credentials(presented.access_key_id, presented.session_token, now)
        sigv4.verify_signature(
            request, presented, secret=found.secret_access_key, service=service, region=region, now=now
        )
        return found.principal
