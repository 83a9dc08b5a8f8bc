"""The three stages of a signed request: as received, as presented, as verified.

`SignedRequest` is the request byte for byte as it came over the wire. `PresentedSignature` is what it claims: read,
its time window held, nothing proven. `VerifiedSignature` can only be had from `verify_signature`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

__all__ = ["PresentedSignature", "SignedRequest", "VerifiedSignature", "first_by_name"]


class SignedRequest(msgspec.Struct, frozen=True):
    """One request, exactly as received.

    `raw_path` is the undecoded path without the query; `query_string` is undecoded and without its `?`. Header names
    may have any case; headers stand in the order of arrival. `body` is the entity: chunk framing removed, nothing else.
    `by_name` is `first_by_name(headers)`, from callers who have it already; it must be of these headers.
    """

    # Structs and not dataclasses, here and below: one is made for every request, and this way costs a tenth.
    method: str
    raw_path: bytes
    query_string: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    by_name: Mapping[bytes, bytes] | None = None

    def first_by_name(self) -> Mapping[bytes, bytes]:
        """The headers by lower-case name; of a repeated one the first."""
        return first_by_name(self.headers) if self.by_name is None else self.by_name


def first_by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """`headers` by lower-case name; of a repeated one the first. As many entries as headers if none is repeated."""
    found = {name.lower(): value for name, value in headers}
    if len(found) < len(headers):
        found.update((name.lower(), value) for name, value in reversed(headers))
    return found


class PresentedSignature(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request claims about its signature.

    `date`, `region`, `service` and `terminator` are the credential scope, not yet compared with anything.
    `signed_headers` are in lower case, sorted, each once. `timestamp_text` is the timestamp in ISO 8601 basic form, as
    it enters the string to sign. `expires_in_seconds` is X-Amz-Expires of a presigned request.
    """

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


class VerifiedSignature(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Proof that the holder of `access_key_id`'s secret signed this request for this service, region and moment."""

    access_key_id: str
    service: str
    region: str
    timestamp: datetime
    signed_headers: tuple[bytes, ...]
    in_query: bool
