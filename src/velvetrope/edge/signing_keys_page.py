"""Rotating the signing keys of a user pool, for the owner: `POST /_velvetrope/user-pools/{id}/signing-keys`.

AWS rotates them itself and has no operation for it. `?at_once=1` is for a private key in wrong hands: no overlap.
"""

import re
from typing import Final, Protocol

import msgspec

from velvetrope.edge.ownership import OwnerCheck
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["KeyRotation", "SigningKeysPage"]

_PATH: Final = re.compile(r"/_velvetrope/user-pools/([\w-]{1,55})/signing-keys")
_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class KeyRotation(Protocol):
    """Replaces signing keys: `userpools.UserPools.signing_keys`."""

    async def rotate(self, user_pool_id: str, *, at_once: bool) -> list[str] | None:
        """The ids of the new keys; None where there is no such pool."""
        ...


class SigningKeysPage:
    """See the module."""

    def __init__(self, keys: KeyRotation, owner: OwnerCheck) -> None:
        self._keys = keys
        self._owner = owner

    def owns(self, path: str) -> bool:
        return _PATH.fullmatch(path) is not None

    async def answer(self, request: ControlRequest) -> WireAnswer:
        found = _PATH.fullmatch(request.head.path)
        if found is None:
            return _answer(404, {"message": "Not Found"})
        if request.head.method != "POST":
            return _answer(405, {"message": "Method Not Allowed"}, (b"allow", b"POST"))
        try:
            await self._owner.check_owner(request, "velvetrope:RotateSigningKeys")
        except ServiceError as error:
            header = (b"x-amzn-ErrorType", error.code.encode())
            return _answer(error.http_status, {"message": error.message}, header)
        if request.head.query_string not in {b"", b"at_once=1"}:
            return _answer(400, {"message": "The query is empty or at_once=1."})
        key_ids = await self._keys.rotate(found[1], at_once=request.head.query_string != b"")
        if key_ids is None:
            return _answer(404, {"message": f"User pool {found[1]} does not exist."})
        return _answer(200, {"key_ids": key_ids})


def _answer(status: int, document: object, *headers: tuple[bytes, bytes]) -> WireAnswer:
    return WireAnswer(status, msgspec.json.encode(document), [*_HEADERS, *headers])
