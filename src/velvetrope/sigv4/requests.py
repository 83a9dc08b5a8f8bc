"""The three stages of a signed request: as received, as presented, as verified.

`SignedRequest` is the request byte for byte as it came over the wire. `PresentedSignature` is what it claims: read,
its time window held, nothing proven. `VerifiedSignature` can only be had from `verify_signature`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

__all__ = ["PresentedSignature", "SignedRequest", "VerifiedSignature"]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One request, exactly as received.

    `raw_path` is the undecoded path without the query; `query_string` is undecoded and without its `?`. Header names
    may have any case; headers stand in the order of arrival. `body` is the entity: chunk framing removed, nothing else.
    """

    method: str
    raw_path: bytes
    query_string: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class PresentedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What a request claims about its signature.

    `date`, `region`, `service` and `terminator` are the credential scope, not yet compared with anything.
    `signed_headers` are in lower case, sorted, each once. `timestamp_text` is the timestamp in ISO 8601 basic form, as
    it enters the string to sign. `expires_in_seconds` is X-Amz-Expires of a presigned request.
    """

    # A Struct and not a dataclass: one is made for every request, and this way costs a tenth.
    access_key_id: str
    session_token: str | None
    date: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[bytes, ...]
    signature: str
    timestamp: datetime
    timestamp_text: str
    in_query: bool
    expires_in_seconds: int | None = None

    def __repr__(self) -> str:
        scope = f"{self.date}/{self.region}/{self.service}/{self.terminator}"
        return f"PresentedSignature({self.access_key_id}/{scope} at {self.timestamp_text})"


class VerifiedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that the holder of `access_key_id`'s secret signed this request for this service, region and moment."""

    access_key_id: str
    service: str
    region: str
    timestamp: datetime
    signed_headers: tuple[bytes, ...]
    in_query: bool
