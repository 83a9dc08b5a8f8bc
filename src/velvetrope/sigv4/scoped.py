"""The steps of proving a caller, in AWS's order, whoever looks the key up.

    scoped = scope_request(request, service="execute-api", regions=("us-west-2",), now=now)
    found = await credentials.find_credentials(scoped.access_key_id, scoped.session_token, now)
    verified = scoped.verify(found.secret_access_key, now=now)

What is signed for another place or another time is refused before the key is looked up: a foreign scope says nothing
about which keys exist. The look-up between is the caller's, because this floor waits for nobody.
"""

from datetime import datetime

import msgspec

from velvetrope.secret import Secret
from velvetrope.sigv4.authorization import check_scope, parse_authorization
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest, VerifiedSignature
from velvetrope.sigv4.verification import verify_signature

__all__ = ["ScopedRequest", "scope_request"]


class ScopedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that says it was signed for this service and region, near now. Nothing is proven yet.

    (A struct, since one is made for every request and frozen dataclasses are slow.)
    """

    request: SignedRequest
    presented: PresentedSignature
    service: str
    region: str

    @property
    def access_key_id(self) -> str:
        return self.presented.access_key_id

    @property
    def session_token(self) -> str | None:
        return self.presented.session_token

    def verify(self, secret: Secret[str], *, now: datetime) -> VerifiedSignature:
        """Prove that `secret` signed it.

        Raises:
            SignatureRefused: as `verify_signature`.
        """
        return verify_signature(
            self.request, self.presented, secret=secret, service=self.service, region=self.region, now=now
        )


def scope_request(request: SignedRequest, *, service: str, regions: tuple[str, ...], now: datetime) -> ScopedRequest:
    """What `request` claims, held against `service` and any of `regions`; refusals name the first of them.

    Raises:
        SignatureRefused: no signature, none that can be read, or one for elsewhere or another time.
    """
    presented = parse_authorization(request, now=now)
    region = presented.region if presented.region in regions else regions[0]
    check_scope(presented, service=service, region=region)
    return ScopedRequest(request, presented, service, region)
