"""A signature like one that was verified: the same but for the query string, the moment and the signature itself.

    first = scoped.verify(secret, now=now)
    again = RepeatedSignature.of(request, presented, secret)         # None if the request is not of the plain form
    again.is_of(query_string, timestamp, signature, now=now)         # of a request that is the same in all else

A client signs the same call again and again. What `verify_signature` finds in its constant parts (scope, covered
headers, canonical path and headers) it would find once more, so only what depends on the three varying parts is
computed: the canonical query, both hashes, the time window. Whoever asks must know that all else is the same, byte for
byte. The answer is yes or no; for what was wrong, and its sentence, the whole way is taken.

Source: IAM User Guide, "Create a signed AWS API request".
"""

import hmac
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec

from velvetrope.secret import Secret
from velvetrope.sigv4.authorization import may_be_presigned
from velvetrope.sigv4.canonical import ALGORITHM, canonical_query, canonical_request
from velvetrope.sigv4.errors import SignatureRefused
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest
from velvetrope.sigv4.timestamps import check_window, parse_timestamp
from velvetrope.sigv4.verification import SigningKey, signing_key

__all__ = ["RepeatedSignature"]

_DATE: Final = b"x-amz-date"


class RepeatedSignature(msgspec.Struct, frozen=True, gc=False):
    """The constant parts of one verified request, and the key that signed it.

    The canonical request is `before`, the canonical query, `between`, the timestamp, `after`; where the timestamp is
    in no signed header, `after` is None and `between` is all of the rest.
    """

    before: bytes
    between: bytes
    after: bytes | None
    day: bytes
    scope_lines: bytes
    key: SigningKey

    @classmethod
    def of(
        cls, request: SignedRequest, presented: PresentedSignature, secret: Secret[str]
    ) -> "RepeatedSignature | None":
        """The parts of a request that `verify_signature` has accepted; None unless it is signed by header, in the usual
        form of the timestamp, and repeats no header."""
        headers = request.first_by_name()
        timestamp = headers.get(_DATE, b"")
        if presented.in_query or timestamp != presented.timestamp_text.encode() or len(headers) != len(request.headers):
            return None
        canonical = canonical_request(request, presented.signed_headers)
        query = canonical_query(request.query_string)
        before = canonical[: canonical.index(b"\n", len(request.method) + 1) + 1]
        rest = canonical[len(before) + len(query) :]
        between, after = rest, None
        if _DATE in presented.signed_headers:
            line = b"\n" + _DATE + b":"
            head, found, tail = rest.partition(line + timestamp)
            if not found or line in head:
                return None
            between, after = head + line, tail
        scope = f"{presented.date}/{presented.region}/{presented.service}/{presented.terminator}"
        return cls(
            before,
            between,
            after,
            presented.date.encode(),
            f"\n{scope}\n".encode(),
            signing_key(secret.reveal(), presented.date, presented.region, presented.service),
        )

    def is_of(self, query_string: bytes, timestamp: bytes, signature: bytes, *, now: datetime) -> bool:
        """Whether the same key signed the same request with this query string at this time, near `now`."""
        moment = _moment_of(timestamp)
        if moment is None or not timestamp.startswith(self.day) or may_be_presigned(query_string):
            return False
        try:
            check_window(moment, now=now)
            query = canonical_query(query_string)
        except SignatureRefused:
            return False
        if self.after is None:
            canonical = self.before + query + self.between
        else:
            canonical = b"".join((self.before, query, self.between, timestamp, self.after))
        digest = sha256(canonical).hexdigest().encode()
        expected = self.key.sign(b"".join((_ALGORITHM_LINE, timestamp, self.scope_lines, digest)))
        return hmac.compare_digest(expected.encode(), signature)


@lru_cache(maxsize=256)
def _moment_of(timestamp: bytes) -> datetime | None:
    """None unless it is in the basic form, which is the one that is signed."""
    try:
        moment, basic_text = parse_timestamp(timestamp.decode("latin-1"))
    except SignatureRefused:
        return None
    return moment if basic_text.encode() == timestamp else None


_ALGORITHM_LINE: Final = f"{ALGORITHM}\n".encode()
